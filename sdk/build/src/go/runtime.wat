;; What a Go program asks its operating system for (WASI, preview 1), answered by a gateway: randomness, the time and what
;; goes to the standard outputs. There are no arguments, no environment and no files.
(module
  (import "env" "memory" (memory 0))
  (import "keyport:provider/clock@0.1.0" "now" (func $now (result i64)))
  (import "keyport:provider/log@0.1.0" "log" (func $log (param $level i32) (param $text i32) (param $length i32)))
  (import "keyport:provider/random@0.1.0" "bytes" (func $bytes (param $count i32) (param $list i32)))

  ;; Where the gateway puts the bytes that it is asked for.
  (global $into (mut i32) (i32.const 0))
  ;; Nanoseconds of a clock that nothing but its being read moves: Go's scheduler reads one all the time, and has nobody to
  ;; take turns with.
  (global $ticks (mut i64) (i64.const 0))
  ;; Nanoseconds of the time on the wall when that clock was first read, which is when the instance begins. Later it must not
  ;; be asked for: a gateway takes no calls while it is given room for an answer, and the garbage collector reads the time
  ;; even then.
  (global $begun (mut i64) (i64.const 0))

  (func (export "cabi_import_realloc") (param i32 i32 i32 i32) (result i32) (global.get $into))

  (func (export "random_get") (param $buffer i32) (param $length i32) (result i32)
    (local $some i32)
    (loop $next
      (if (local.get $length) (then
        ;; One call gives 4096 bytes at most.
        (local.set $some
          (select (i32.const 4096) (local.get $length) (i32.gt_u (local.get $length) (i32.const 4096))))
        (global.set $into (local.get $buffer))
        ;; The list's own place and length go to address 4096. Go's linker leaves what lies there to the arguments that a
        ;; browser would write, so it is nobody's.
        (call $bytes (local.get $some) (i32.const 4096))
        (local.set $buffer (i32.add (local.get $buffer) (local.get $some)))
        (local.set $length (i32.sub (local.get $length) (local.get $some)))
        (br $next))))
    (i32.const 0))

  (func (export "clock_time_get") (param $clock i32) (param $precision i64) (param $time i32) (result i32)
    (if (i64.eqz (global.get $ticks))
      (then (global.set $begun (i64.mul (call $now) (i64.const 1000000)))))
    (global.set $ticks (i64.add (global.get $ticks) (i64.const 1000)))
    (i64.store (local.get $time)
      ;; Clock 0 is the one on the wall.
      (i64.add (global.get $ticks) (select (i64.const 0) (global.get $begun) (local.get $clock))))
    (i32.const 0))

  ;; Each part is a line in the operator's log, at level error: what a panic says.
  (func (export "fd_write") (param $file i32) (param $parts i32) (param $count i32) (param $written i32) (result i32)
    (local $sum i32)
    (loop $next
      (if (local.get $count) (then
        (call $log (i32.const 3) (i32.load (local.get $parts)) (i32.load offset=4 (local.get $parts)))
        (local.set $sum (i32.add (local.get $sum) (i32.load offset=4 (local.get $parts))))
        (local.set $parts (i32.add (local.get $parts) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next))))
    (i32.store (local.get $written) (local.get $sum))
    (i32.const 0))

  (func $sizes (param $count i32) (param $length i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $length) (i32.const 0))
    (i32.const 0))
  (export "args_sizes_get" (func $sizes))
  (export "environ_sizes_get" (func $sizes))

  (func $nothing (param i32 i32) (result i32) (i32.const 0))
  (export "args_get" (func $nothing))
  (export "environ_get" (func $nothing))

  ;; 8 is EBADF: there is no such file.
  (func $none (param i32 i32) (result i32) (i32.const 8))
  (export "fd_fdstat_get" (func $none))
  (export "fd_fdstat_set_flags" (func $none))
  (export "fd_prestat_get" (func $none))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_close") (param i32) (result i32) (i32.const 8))

  (func (export "sched_yield") (result i32) (i32.const 0))
  ;; Waiting for what never comes, and giving up.
  (func (export "poll_oneoff") (param i32 i32 i32 i32) (result i32) (unreachable))
  (func (export "proc_exit") (param i32) (unreachable)))
