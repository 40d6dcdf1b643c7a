//! Lists of all the variants of an enum.

/// The array of these variants. It does not compile while one of the enum's is missing, and a lint says which is there twice.
macro_rules! every {
    ($type:ident: $($variant:ident $(($($inner:tt)+))?),+ $(,)?) => {{
        const _: fn($type) = |one| match one {
            $($type::$variant $(($($inner)+))? => (),)+
        };

        [$($type::$variant $(($($inner)+))?),+]
    }};
}

pub(crate) use every;
