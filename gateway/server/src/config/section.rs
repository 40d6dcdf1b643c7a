//! Reads a configuration file table by table and field by field, and goes on after every mistake.
//!
//! A derived deserializer would stop at the first mistake; this one collects them, so that one run tells all.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::environment::Environment;
use super::mistake::{Mistake, Place, Problem};
use super::value::{self, Value};

/// One file being read: its text, and the mistakes found so far.
#[derive(Debug)]
pub(super) struct Source<'a> {
    file: &'a Path,
    text: &'a str,
    environment: &'a Environment,
    mistakes: RefCell<BTreeSet<Mistake>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str, environment: &'a Environment) -> Self {
        Self { file, text, environment, mistakes: RefCell::default() }
    }

    /// The environment that `${NAME}` is looked up in.
    pub(super) fn environment(&self) -> &'a Environment {
        self.environment
    }

    /// Notes a mistake at a place in the text.
    pub(super) fn mistake(&self, at: usize, Problem { what, fix }: Problem) {
        let line = self.line(at);
        self.mistakes.borrow_mut().insert(Mistake { line, what, fix });
    }

    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }

    /// Every mistake, by line.
    pub(super) fn into_mistakes(self) -> Vec<Mistake> {
        self.mistakes.into_inner().into_iter().collect()
    }

    fn value<'v>(&self, written: &'v Spanned<DeValue<'v>>) -> Result<Value<'v>, Problem> {
        let expanded = match written.get_ref() {
            DeValue::String(text) => Some(self.environment.expand(text)?),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => None,
        };
        Ok(Value::new(written.get_ref(), expanded))
    }
}

/// One table being read. [`Section::end`] reports the fields that nobody asked for.
#[derive(Debug)]
pub(super) struct Section<'a> {
    source: &'a Source<'a>,
    /// As it is written above the table: `[listen]`, `[[provider]]`; nothing for the file's top.
    title: String,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    asked: BTreeSet<&'static str>,
}

impl<'a> Section<'a> {
    /// The top of a file.
    pub(super) fn top(source: &'a Source<'a>, table: &'a Spanned<DeTable<'a>>) -> Self {
        Self::new(source, String::new(), table.get_ref(), 0..0)
    }

    fn new(source: &'a Source<'a>, title: String, table: &'a DeTable<'a>, span: Range<usize>) -> Self {
        Self { source, title, table, span, asked: BTreeSet::new() }
    }

    /// The file this is a part of.
    pub(super) fn source(&self) -> &'a Source<'a> {
        self.source
    }

    /// Whether the field is there, right or wrong.
    pub(super) fn has(&self, field: &str) -> bool {
        self.table.get(field).is_some()
    }

    /// The field's value, if it is there and right.
    pub(super) fn optional<T>(
        &mut self,
        field: &'static str,
        mut parse: impl FnMut(&Value<'_>) -> Result<T, Problem>,
    ) -> Option<T> {
        let written = self.written(field)?;
        self.parse(field, written, &mut parse)
    }

    /// The field's value, or `default` if it is not there.
    pub(super) fn or<T>(
        &mut self,
        field: &'static str,
        default: T,
        mut parse: impl FnMut(&Value<'_>) -> Result<T, Problem>,
    ) -> T {
        self.optional(field, &mut parse).unwrap_or(default)
    }

    /// The field's value. Its absence is a mistake, mended by writing `example`.
    pub(super) fn required<T>(
        &mut self,
        field: &'static str,
        example: &str,
        mut parse: impl FnMut(&Value<'_>) -> Result<T, Problem>,
    ) -> Option<T> {
        if !self.has(field) {
            self.missing(field, &format!("{field} = {example}"));
        }
        self.optional(field, &mut parse)
    }

    /// The elements of a list that are right, if the list is there.
    pub(super) fn list<T>(
        &mut self,
        field: &'static str,
        mut parse: impl FnMut(&Value<'_>) -> Result<T, Problem>,
    ) -> Option<Vec<T>> {
        let written = self.written(field)?;
        let Some(elements) = written.get_ref().as_array() else {
            self.mistake_at(
                field,
                Problem::new(format!("`{field}` is not a list"), format!("write {field} = [\"…\"]")),
            );
            return None;
        };
        Some(elements.iter().filter_map(|element| self.parse(field, element, &mut parse)).collect())
    }

    /// A table of texts under names of their own, such as settings.
    pub(super) fn texts(&mut self, field: &'static str) -> BTreeMap<String, String> {
        let Some(section) = self.table(field) else { return BTreeMap::new() };
        section
            .table
            .iter()
            .filter_map(|(name, written)| {
                let text = section.parse(name.get_ref(), written, &mut value::text)?;
                Some((name.get_ref().clone().into_owned(), text))
            })
            .collect()
    }

    /// The table under this field, if it is there.
    pub(super) fn table(&mut self, field: &'static str) -> Option<Self> {
        let written = self.written(field)?;
        let title = format!("[{}]", self.path(field));
        let Some(table) = written.get_ref().as_table() else {
            self.mistake_at(
                field,
                Problem::new(format!("`{field}` is not a table"), format!("write {title}")),
            );
            return None;
        };
        Some(Section::new(self.source, title, table, written.span()))
    }

    /// Every table of the list under this field.
    pub(super) fn tables(&mut self, field: &'static str) -> Vec<Self> {
        let Some(written) = self.written(field) else { return Vec::new() };
        let title = format!("[[{}]]", self.path(field));
        let elements = written.get_ref().as_array().map(|elements| elements.iter()).unwrap_or_default();
        let sections: Vec<_> = elements
            .filter_map(|element| {
                let table = element.get_ref().as_table()?;
                Some(Section::new(self.source, title.clone(), table, element.span()))
            })
            .collect();

        if written.get_ref().as_array().is_none_or(|elements| elements.len() != sections.len()) {
            self.mistake_at(
                field,
                Problem::new(
                    format!("`{field}` is not a list of tables"),
                    format!("write {title} above each"),
                ),
            );
        }
        sections
    }

    /// The `name` of every table of the list under this field that has one.
    pub(super) fn names(&mut self, field: &'static str) -> BTreeSet<String> {
        let Some(elements) = self.written(field).and_then(|written| written.get_ref().as_array()) else {
            return BTreeSet::new();
        };
        elements
            .iter()
            .filter_map(|element| element.get_ref().as_table()?.get("name"))
            .filter_map(|written| value::text(&self.source.value(written).ok()?).ok())
            .collect()
    }

    /// Notes that a field is missing.
    pub(super) fn missing(&self, field: &str, fix: &str) {
        let place = if self.title.is_empty() { "the file".to_owned() } else { self.title.clone() };
        self.mistake(Problem::new(format!("{place} has no `{field}`"), format!("add {fix}")));
    }

    /// Notes a mistake of the table as a whole.
    pub(super) fn mistake(&self, problem: Problem) {
        self.source.mistake(self.span.start, problem);
    }

    /// Notes a mistake in this field's value.
    pub(super) fn mistake_at(&self, field: &str, problem: Problem) {
        self.source.mistake(self.start(field), problem);
    }

    /// Where this field's value stands.
    pub(super) fn place(&self, field: &str) -> Place {
        Place::new(self.source.file.to_owned(), self.source.line(self.start(field)))
    }

    fn start(&self, field: &str) -> usize {
        self.table.get(field).map_or(self.span.start, |written| written.span().start)
    }

    /// Reports the fields that nobody asked for.
    pub(super) fn end(self) {
        let known: Vec<_> = self.asked.iter().copied().collect();
        let place = if self.title.is_empty() {
            "at the top of the file".to_owned()
        } else {
            format!("in {}", self.title)
        };

        for name in self.table.keys().filter(|name| !self.asked.contains(name.get_ref().as_ref())) {
            let what = format!("unknown field `{}` {place}", name.get_ref());
            self.source.mistake(name.span().start, Problem::new(what, value::one_of(name.get_ref(), &known)));
        }
    }

    fn written(&mut self, field: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.insert(field);
        self.table.get(field)
    }

    fn parse<T>(
        &self,
        field: &str,
        written: &Spanned<DeValue<'_>>,
        parse: &mut impl FnMut(&Value<'_>) -> Result<T, Problem>,
    ) -> Option<T> {
        match self.source.value(written).and_then(|value| parse(&value)) {
            Ok(parsed) => Some(parsed),
            Err(Problem { what, fix }) => {
                let what = format!("`{field}`: {what}");
                self.source.mistake(written.span().start, Problem { what, fix });
                None
            }
        }
    }

    fn path<'f>(&self, field: &'f str) -> Cow<'f, str> {
        match self.title.trim_matches(['[', ']']) {
            "" => Cow::Borrowed(field),
            above => Cow::Owned(format!("{above}.{field}")),
        }
    }
}
