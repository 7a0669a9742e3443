#!/usr/bin/env python3
"""Runs one test suite, shows and keeps what it prints, and writes down how many tests passed.

  scripts/run_suite.py NAME [--limit SECONDS] -- COMMAND...   run; one line goes to out/test/results.tsv
  scripts/run_suite.py --sum                                  the closing lines and `N passed, N failed`
  scripts/run_suite.py --reset                                forget earlier results
  scripts/run_suite.py --note NAME TEXT                       write down a failure that is no suite's
  scripts/run_suite.py --self-test

The counts come from the runner's own closing lines (ctest, node --test, or `N passed, N failed`).
A suite that exits non-zero counts at least one failure, and so does one in which no test ran, however
it exits. --sum exits non-zero if anything failed or nothing ran.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "out" / "test" / "results.tsv"

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
CTEST = re.compile(r"^\d+% tests passed, (\d+) tests failed out of (\d+)$")
NODE = re.compile(r"^(?:#|ℹ) (pass|fail|cancelled) (\d+)$")
FAULT = re.compile(r"^(?:✖ failing tests:|The following tests FAILED:|FAIL\b|FAILED\b|not ok\b|.*: Failure$|.*ERROR: \w+Sanitizer)")
# What names a failed test: ctest's closing list, node's mark, our own runners' lines.
FAILED_NAME = re.compile(r"^(?:\d+ - (.+) \((?:Failed|Timeout|Not Run|\w+ \*+Exception.*|SEGFAULT|Subprocess aborted)\)"
                         r"|✖ (.+) \([\d.]+ms\)|(?:not ok|FAIL)\s+(?:- )?(.+))$")
EXCERPT_LINES = 60
PLAIN = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, \d+ skipped)?$")


class Counts:
    """What a suite's output says so far. One command may close several runs: they add up."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.closing = []

    def read(self, line):
        line = ANSI.sub("", line).strip()
        if match := CTEST.match(line):
            failed, total = int(match[1]), int(match[2])
            self.passed += total - failed
            self.failed += failed
        elif match := NODE.match(line):
            if match[1] == "pass":
                self.passed += int(match[2])
            else:
                self.failed += int(match[2])
        elif match := PLAIN.match(line):
            self.passed += int(match[1])
            self.failed += int(match[2])
        else:
            return
        self.closing.append(line)


def conclude(counts, code):
    """(passed, failed, remark) of a suite that exited with `code`."""
    if code != 0 and counts.failed == 0:
        return counts.passed, 1, f"exit code {code}"
    if counts.passed + counts.failed == 0:
        return 0, 1, "no test ran"
    return counts.passed, counts.failed, ""


def run(name, limit, command):
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    log = RESULTS.parent / f"{name}.log"
    counts = Counts()
    started = time.monotonic()
    print(f"== {name}: {' '.join(command)}", flush=True)
    timed_out = threading.Event()
    with log.open("w") as out:
        # A session of its own, so that a suite that hangs is ended with everything it started.
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)

        def end_group(sig):
            try:
                os.killpg(process.pid, sig)
            except ProcessLookupError:
                pass

        def give_up():
            timed_out.set()
            end_group(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                end_group(signal.SIGKILL)

        timer = threading.Timer(limit, give_up)
        timer.daemon = True
        timer.start()
        try:
            for line in process.stdout:
                sys.stdout.write(line)
                sys.stdout.flush()
                out.write(line)
                counts.read(line)
            code = process.wait()
        except KeyboardInterrupt:
            end_group(signal.SIGTERM)
            process.wait()
            raise
        finally:
            timer.cancel()
    passed, failed, remark = conclude(counts, code)
    if timed_out.is_set():
        failed, remark = max(failed, 1), f"not done after {limit} s"
    write_down(name, passed, failed, int(time.monotonic() - started), remark,
               " | ".join(counts.closing))
    if failed:
        print(f"== {name}: FAILED{', ' + remark if remark else ''} (whole output: {log.relative_to(ROOT)})",
              flush=True)
    return 1 if failed else 0


def excerpt(text, most=EXCERPT_LINES):
    """What a suite's output says of its failures, at most `most` lines: each fault and what follows it."""
    lines = [ANSI.sub("", line).rstrip() for line in text.splitlines()]
    # node repeats every failure under one heading at the end: nothing else is needed then.
    heading = next((at for at, line in enumerate(lines) if line.startswith("✖ failing tests:")), None)
    if heading is not None:
        return lines[heading:heading + most]
    kept, until = [], 0
    for at, line in enumerate(lines):
        if FAULT.match(line.strip()):
            until = at + 8
        if at < until:
            kept.append(line)
    return kept[:most] or lines[-min(most, 20):]


def failed_names(text):
    """The names of the tests that failed, each once, in the words of the runner."""
    lines = [ANSI.sub("", line).strip() for line in text.splitlines()]
    found = (FAILED_NAME.match(line) for line in lines if line != "✖ failing tests:")
    return list(dict.fromkeys(next(filter(None, match.groups())) for match in found if match))


def show_failures(rows):
    for name, _, bad, *_ in rows:
        log = RESULTS.parent / f"{name}.log"
        if int(bad) and log.exists():
            print(f"\n== what failed in {name}")
            print("\n".join(f"   {line}" for line in excerpt(log.read_text(errors="replace"))))


def sum_up():
    rows = [line.split("\t") for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []
    passed = sum(int(row[1]) for row in rows)
    failed = sum(int(row[2]) for row in rows)
    show_failures(rows)
    print("\n== suites")
    for name, ok, bad, seconds, remark, closing in rows:
        print(f"   {name:<14} {ok:>6} ok {bad:>4} failed {int(seconds) // 60:>3}:{int(seconds) % 60:02} "
              f" {remark or closing}")
    # Again by name only, last: whoever reads the end of a long log sees them all.
    for name, _, bad, *_ in rows:
        log = RESULTS.parent / f"{name}.log"
        for test in failed_names(log.read_text(errors="replace")) if int(bad) and log.exists() else []:
            print(f"   failed in {name}: {test}")
    if passed + failed == 0:
        print("no test ran")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or passed == 0 else 0


def write_down(name, passed, failed, seconds, remark, closing):
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("a") as results:
        results.write("\t".join([name, str(passed), str(failed), str(seconds), remark, closing]) + "\n")


def self_test():
    def counted(text, code=0):
        counts = Counts()
        for line in text.splitlines():
            counts.read(line)
        return conclude(counts, code)

    assert counted("100% tests passed, 0 tests failed out of 12") == (12, 0, "")
    assert counted("75% tests passed, 3 tests failed out of 12", 8)[:2] == (9, 3)
    assert counted("# tests 3\n# pass 2\n# fail 1\n# cancelled 0", 1)[:2] == (2, 1)
    assert counted("\x1b[34mℹ pass 4\x1b[39m\nℹ fail 0\n# cancelled 1", 1)[:2] == (4, 1)
    assert counted("5 passed, 0 failed\nlint: 2 passed, 1 failed, 3 skipped", 1)[:2] == (7, 1)
    assert counted("No tests were found!!!") == (0, 1, "no test ran")
    assert counted("7 passed, 0 failed", 3) == (7, 1, "exit code 3")
    assert counted("# pass 0\n# fail 0") == (0, 1, "no test ran")
    assert excerpt("a\n✖ b\n\x1b[31m✖ failing tests:\x1b[0m\n\n✖ b\n  why") == ["✖ failing tests:", "", "✖ b", "  why"]
    assert excerpt("a\nx.cc:3: Failure\n  1 != 2\n" + "b\n" * 20)[:2] == ["x.cc:3: Failure", "  1 != 2"]
    assert len(excerpt("b\n" * 99)) == 20
    assert failed_names("The following tests FAILED:\n\t 12 - A.B (Failed)\n\t 13 - C (SEGFAULT)\n") == ["A.B", "C"]
    assert failed_names("✖ row 1: x (3.5ms)\n✔ y (1ms)\n✖ failing tests:\n✖ row 1: x (3.5ms)\nnot ok z") == ["row 1: x", "z"]
    print("run_suite: 13 passed, 0 failed")
    return 0


def main(args):
    if args == ["--sum"]:
        return sum_up()
    if args == ["--reset"]:
        RESULTS.unlink(missing_ok=True)
        return 0
    if args == ["--self-test"]:
        return self_test()
    if args[:1] == ["--note"] and len(args) == 3:
        write_down(args[1], 0, 1, 0, args[2], "")
        return 0
    if "--" not in args or args[0] == "--":
        print(__doc__, file=sys.stderr)
        return 2
    split = args.index("--")
    options, command = args[1:split], args[split + 1:]
    limit = int(options[1]) if options[:1] == ["--limit"] else 1800
    return run(args[0], limit, command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
