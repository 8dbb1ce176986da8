#!/usr/bin/env python3
"""A round of attacks on the program minivit: it is killed, its calls fail, its disk is full, its input is damaged.

    python3 round.py BUILD_DIR SCRATCH_DIR [--only PART] [--scale 1.0] [--seed N]

BUILD_DIR has the program in it. SCRATCH_DIR is for this script alone; a file system in memory makes it fast. PART is a
letter, or several as "ab":

  a  kills at random moments             e  damaged images
  b  kills at single system calls        f  damaged models
  c  system calls that fail              g  the same bits in every way to get them
  d  full disks

--scale is the size of the round, --seed chooses another one. Prints a line for each part, and for each attack that the
program did not withstand what was wrong and the commands that repeat it. The folders of these attacks stay in
SCRATCH_DIR. Exit code 1 if there was any.
"""

import argparse
import contextlib
import dataclasses
import errno
import itertools
import json
import math
import os
import random
import resource
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
FIXTURES = TESTS / "data" / "fixtures"
DIGITS = TESTS.parent / "examples" / "data"

# A model so small that a training is a matter of moments.
TINY = ["model.image_size=8", "model.patch_size=2", "model.embedding_dim=16", "model.num_layers=1", "model.num_heads=2",
        "model.mlp_ratio=2", "training.batch_size=8", "training.lr=5e-3", "training.seed=7", "log.curves=no"]
# With all that is random, and a checkpoint after every step.
STEPS = TINY + ["model.dropout=0.1", "model.attention_dropout=0.1", "model.drop_path=0.1", "training.ema=0.9",
                "training.accumulate=2", "data.trivial_augment=yes", "training.epochs=3", "training.save_seconds=0"]
CURVES = STEPS + ["log.curves=yes"]

KILLED = 128 + signal.SIGKILL
HUNG = -1
NOT_STARTED = 127  # the system's loader found no memory or file


# ---- running the program --------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Result:
    code: int  # as a shell has it: 128 + the signal
    out: bytes
    err: str

    def rows(self):
        """The lines of standard output as JSON, in which every number is finite."""
        def refuse(word):
            raise ValueError(f"{word} is not JSON")
        return [json.loads(line, parse_constant=refuse) for line in self.out.decode().splitlines()]


class Tools:
    """What all parts use: the program, prepared images and models, the count of attacks."""

    def __init__(self, build, scratch, scale, seed):
        self.minivit = build.resolve() / "minivit"
        self.scratch = scratch.resolve()
        self.scale, self.seed = scale, seed
        self.shared = self.scratch / "shared"
        self.faults = self.shared / "faults.so"
        self.failures = []
        self.counts = {}
        self.references = {}
        self.calls = {}

    def training(self, settings, out):
        """The arguments of a training with these settings, whatever configurations lie about."""
        return ["train", "--config", self.no_settings, *settings, f"data.train={self.pair}", f"output.dir={out}",
                f"output.multirun={out}"]

    def count(self, at_full_size):
        return max(1, round(at_full_size * self.scale))

    def prepare(self):
        """Images of two classes, the library that lets calls fail, two trained runs."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.shared.mkdir(parents=True)
        subprocess.run([os.environ.get("CXX", "c++"), "-std=c++20", "-O1", "-shared", "-fPIC",
                        TESTS / "support" / "faults.cpp", "-o", self.faults, "-ldl"], check=True)
        self.no_settings = self.shared / "none.yaml"
        self.no_settings.touch()
        digits = self.shared / "digits"
        subprocess.run([self.minivit, "digits", DIGITS / "digits.png", DIGITS / "digits.labels.txt", digits],
                       check=True, stdout=subprocess.DEVNULL)
        self.pair = self.shared / "pair"
        for number, name in ("0", "zero"), ("1", "one"):
            (self.pair / name).mkdir(parents=True)
            for image in sorted((digits / "train" / number).glob("*.png"))[:20]:
                shutil.copy(image, self.pair / name)
        shutil.rmtree(digits)
        self.photos = self.shared / "photos"  # one of each kind
        self.photos.mkdir()
        for image in original_images():
            shutil.copy(image, self.photos / f"{image.parent.name}-{image.name}")
        self.run = self.reference("trained", STEPS)
        self.model = self.run / "best"
        self.other = self.reference("other", STEPS + ["training.seed=8"])

    def reference(self, name, settings):
        """The run folder, or folder of a sweep, of an undisturbed training with these settings; made once."""
        if name not in self.references:
            case = Case(self, f"shared/{name}")
            begin = time.monotonic()
            result = case.run(*self.training(settings, case.out))
            self.references[name] = (run_folder(case.out), time.monotonic() - begin)
            if result.code != 0 or case.problems:
                sys.exit(f"an undisturbed training fails: {case.commands}\n{result.err}")
        return self.references[name][0]

    def duration(self, name):
        return self.references[name][1]

    @contextlib.contextmanager
    def case(self, part, number):
        """An attack. Its folder is kept if something was wrong."""
        case = Case(self, f"cases/{part}{number}")
        try:
            yield case
        except Exception as error:  # what cannot be read or compared is wrong, too
            case.wrong(f"{type(error).__name__}: {error}")
        if not case.counts:
            shutil.rmtree(case.dir, ignore_errors=True)
            return
        done = self.counts.setdefault(part, [0, 0])
        done[0] += 1
        if case.problems:
            done[1] += 1
            self.failures.append((part, case))
        else:
            shutil.rmtree(case.dir, ignore_errors=True)


class Case:
    """One attack: a folder of its own, the commands that were run, and what was wrong."""

    def __init__(self, tools, name):
        self.tools = tools
        self.dir = tools.scratch / name
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(parents=True)
        self.out = self.dir / "out"
        self.commands, self.problems = [], []
        self.counts = True  # false: the attack did not take place

    def wrong(self, text):
        self.problems.append(text)

    def copy(self, source, name):
        target = self.dir / name
        shutil.copytree(source, target, symlinks=True)
        self.commands.append(f"cp -a {shlex.quote(str(source))} {shlex.quote(str(target))}")
        return target

    def run(self, *arguments, rules="", env=None, stdin=None, stdout=None, limits=None, cpus=None, kill_after=None,
            kill_group=False, timeout=30):
        """Runs minivit. rules: of faults.cpp. limits: of prlimit, as {"fsize": 4096}. kill_after: seconds."""
        env = dict(env or {})
        if rules:
            env |= {"LD_PRELOAD": str(self.tools.faults), "MINIVIT_FAULTS": rules}
        command = [str(self.tools.minivit), *map(str, arguments)]
        self.commands.append(command_text(command, env, stdin, stdout, limits, cpus, kill_after, kill_group))

        def in_child():
            for name, value in (limits or {}).items():
                resource.setrlimit(getattr(resource, f"RLIMIT_{name.upper()}"), (value, value))
            if cpus:
                os.sched_setaffinity(0, cpus)

        with contextlib.ExitStack() as files:
            given = files.enter_context(open(stdin or os.devnull, "rb"))
            # Whoever outlives a killed process must not be waited for, so its output goes to files.
            to = [files.enter_context(tempfile.TemporaryFile()) if kill_after is not None else subprocess.PIPE
                  for _ in range(2)]
            if stdout:
                to[0] = files.enter_context(open(stdout, "wb"))
            process = subprocess.Popen(command, env=os.environ | env, stdin=given, stdout=to[0], stderr=to[1],
                                       start_new_session=True, preexec_fn=in_child)
            hung = False
            if kill_after is not None:
                time.sleep(kill_after)
                os.killpg(process.pid, signal.SIGKILL) if kill_group else process.kill()
                process.wait()
                for file in to:
                    file.seek(0)
                out, err = (file.read() for file in to)
            else:
                try:
                    out, err = process.communicate(timeout=timeout)
                except subprocess.TimeoutExpired:
                    hung = True
                    os.killpg(process.pid, signal.SIGKILL)
                    out, err = process.communicate()
        code = HUNG if hung else process.returncode if process.returncode >= 0 else 128 - process.returncode
        return Result(code, out or b"", err.decode(errors="replace"))

    def succeeds(self, *arguments, **options):
        """Runs minivit, which must succeed."""
        result = self.run(*arguments, **options)
        if result.code != 0:
            self.wrong(f"{arguments[0]} without an attack: {code_text(result.code)}: {last_line(result.err)}")
        return result

    def train(self, settings, **options):
        return self.run(*self.tools.training(settings, self.out), **options)

    def goes_on(self, settings, reference):
        """Resumes what is in the output folder, or begins anew if nothing is. It must end as the reference."""
        run = run_folder(self.out)
        if run:
            self.succeeds("train", "--resume", run)
        else:
            self.succeeds(*self.tools.training(settings, self.out))
            run = run_folder(self.out)
        if self.problems:
            return
        self.same_run(reference, run)
        self.nothing_temporary(self.out)

    def same_run(self, reference, run):
        for difference in differences(reference, run):
            self.wrong(f"not the run that was never stopped: {difference}")

    def nothing_temporary(self, folder):
        for path in hidden_files(folder):
            self.wrong(f"left: {path}")

    def whole(self, run):
        """The models that are in a run folder can be read."""
        for name in "best", "last":
            if (run / name).exists():
                result = self.run("inspect", "--brief", run / name)
                if result.code != 0:
                    self.wrong(f"{name}/ is not whole: {last_line(result.out.decode(errors='replace'))}")


def command_text(command, env, stdin, stdout, limits, cpus, kill_after, kill_group):
    """The line for a shell."""
    words = [f"{name}={shlex.quote(value)}" for name, value in env.items()]
    if kill_after is not None:
        words.append(f"timeout {'' if kill_group else '--foreground '}-s KILL {kill_after:.4f}")
    if limits:
        words.append("prlimit " + " ".join(f"--{name}={value}" for name, value in limits.items()))
    if cpus:
        words.append("taskset -c " + ",".join(map(str, sorted(cpus))))
    words.append(shlex.join(command))
    if stdin:
        words.append(f"<{shlex.quote(str(stdin))}")
    if stdout:
        words.append(f">{shlex.quote(str(stdout))}")
    return " ".join(words)


def code_text(code):
    if code == HUNG:
        return "it hangs"
    return f"killed by signal {code - 128}" if code > 128 else f"exit code {code}"


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else "(no words)"


# ---- comparing ------------------------------------------------------------------------------------------------------


def run_folder(out):
    """The only run folder below `out`, or None."""
    runs = [run for run in out.glob("*/*") if not run.name.startswith(".")]
    if len(runs) > 1:
        raise ValueError(f"{out} has {len(runs)} run folders")
    return runs[0] if runs else None


def hidden_files(folder):
    return [path for path in folder.rglob("*") if path.name.startswith(".")]


def content(folder):
    """All files of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def state_of(folder):
    """A checkpoint without its times and the length of the event file, in which names of folders are."""
    data = (folder / "training_state.safetensors").read_bytes()
    end = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:end])
    for key in "seconds", "epoch_seconds", "events_bytes":
        del header["__metadata__"][key]
    return header, data[end:]


def history_of(run):
    """The history without times."""
    return [line.split(",")[:7] for line in (run / "training_history.csv").read_text().splitlines()]


def events_of(run):
    """The records for TensorBoard. Of those with times or names of folders only the kind."""
    files = list(run.glob("events.out.tfevents.*"))
    if len(files) != 1:
        return [f"{len(files)} files"]
    data, at, records = files[0].read_bytes(), 0, []
    while at < len(data):
        length = struct.unpack("<Q", data[at:at + 8])[0]
        record = data[at + 12:at + 12 + length]
        kinds = [k for k in (b"_hparams_/experiment", b"_hparams_/session_start", b"_hparams_/session_end", b"speed/",
                             b"configuration") if k in record]
        records.append(kinds[0] if kinds else record[9:])  # the time comes first
        at += length + 16
    return records


def differences(a, b):
    """In what two run folders differ, but for times."""
    exact = [f"{model}/{file}" for model in ("best", "last")
             for file in ("model.safetensors", "config.json", "preprocessor_config.json")]
    exact += ["learning_rates_per_step.csv", "class_mapping.json", "per_class.csv"]
    exact += [file for file in ("training_curves.gnuplot", "training_curves.png", "training_curves.svg")
              if (a / file).exists()]
    found = []
    for file in exact:
        if not (b / file).exists():
            found.append(f"{file} is missing")
        elif (a / file).read_bytes() != (b / file).read_bytes():
            found.append(file)
    if history_of(a) != history_of(b):
        found.append("training_history.csv")
    if state_of(a / "last") != state_of(b / "last"):
        found.append("last/training_state.safetensors")
    if events_of(a) != events_of(b):
        found.append(f"the event file ({len(events_of(a))} records, {len(events_of(b))})")
    results = [json.loads((run / "result.json").read_text()) for run in (a, b)]
    for key in "status", "epochs_done", "best_val_acc", "best_val_loss", "best_epoch":
        if results[0].get(key) != results[1].get(key):
            found.append(f"{key} in result.json is {results[1].get(key)}, not {results[0].get(key)}")
    return found


# ---- a: kills at random moments -------------------------------------------------------------------------------------


def part_a(tools, rng):
    """Kills at random moments of trainings, sweeps and exports, each of which then goes on."""
    number = itertools.count()
    for i in range(tools.count(50)):
        settings, name = (CURVES, "curves") if i % 5 == 4 else (STEPS, "trained")
        reference = tools.reference(name, settings)
        with tools.case("a", next(number)) as case:
            killed_somewhere(case, rng, tools.duration(name),
                             lambda seconds: case.train(settings, kill_after=seconds))
            case.goes_on(settings, reference)

    halved = [text for text in STEPS if not text.startswith("training.lr=")]
    halved += ["-m", "training.lr=5e-3,1e-9,2e-3", "--halving", "0.5"]
    sweep = tools.reference("sweep", halved)
    for i in range(tools.count(10)):
        with tools.case("a", next(number)) as case:
            command = tools.training(halved, case.out)
            # The sweep's own process, or its job with it.
            killed_somewhere(case, rng, tools.duration("sweep"),
                             lambda seconds: case.run(*command, kill_after=seconds, kill_group=i % 2 == 1))
            folder = run_folder(case.out)
            case.succeeds(*(["train", "--resume", folder] if folder else command))
            folder = run_folder(case.out)
            for job in range(3):
                case.same_run(sweep / str(job), folder / str(job))
            case.nothing_temporary(case.out)

    wanted = exported(tools, tools.model)
    earlier = exported(tools, tools.other / "best")
    for _ in range(tools.count(5)):
        with tools.case("a", next(number)) as case:
            command = ["export", "--model", tools.model, "--to", "timm", "--out", case.out]

            def export(seconds):
                shutil.rmtree(case.out, ignore_errors=True)
                case.run("export", "--model", tools.other / "best", "--to", "timm", "--out", case.out)
                return case.run(*command, kill_after=seconds)

            killed_somewhere(case, rng, 0.05, export)
            if content(case.out) not in (wanted, earlier):
                case.wrong("neither the earlier model nor the new one")
            case.succeeds(*command)
            if content(case.out) != wanted:
                case.wrong("not the model that was exported without a kill")
            case.nothing_temporary(case.dir)


def killed_somewhere(case, rng, duration, run):
    """Kills what `run` starts after a random part of its duration; again, and sooner, if it had ended before that."""
    for _ in range(20):
        shutil.rmtree(case.out, ignore_errors=True)
        case.commands.clear()
        if run(rng.uniform(0, duration)).code == KILLED:
            return
        duration *= 0.8
    case.counts = False


def exported(tools, model, form="timm"):
    """The files of an export."""
    with tempfile.TemporaryDirectory(dir=tools.shared) as folder:
        subprocess.run([tools.minivit, "export", "--model", model, "--to", form, "--out", f"{folder}/model"],
                       check=True, stdout=subprocess.DEVNULL)
        return content(Path(folder) / "model")


# ---- b: kills at single calls ---------------------------------------------------------------------------------------

IN_RUN = "*/cases/*/out/*"  # what a rule of faults.cpp says of the attacked run's files
WRITING = ["open", "write", "fsync", "rename", "renameat2", "mkdir", "unlink", "ftruncate", "flock"]


def part_b(tools, rng):
    """Kills at the n-th call of a kind in the run folder, after which the run goes on."""
    pattern = IN_RUN
    without_exchange = "renameat2:EINVAL:+:*/best;renameat2:EINVAL:+:*/last;"
    kinds = [(56, False, STEPS, "trained", "", WRITING, pattern),
             (27, True, STEPS, "trained", "", WRITING, pattern),
             (15, False, STEPS, "trained", without_exchange, ["rename"], pattern),
             (10, False, CURVES, "curves", "", ["open", "write", "fsync", "rename"], IN_RUN + "training_curves*")]
    number = itertools.count()
    for count, resumed, settings, name, rules, calls, where in kinds:
        reference = tools.reference(name, settings)

        def attack(case, rule):
            if resumed:
                paused = case.copy(paused_run(tools), "out/2026-01-01/10-00-00")
                return case.run("train", "--resume", paused, rules=rules + rule)
            return case.train(settings, rules=rules + rule)

        kind = f"{'train --resume' if resumed else 'train'}{rules}"
        points = chosen_calls(tools, rng, kind, calls, where, attack, tools.count(count))
        for call, n in points:
            with tools.case("b", next(number)) as case:
                result = attack(case, f"{call}:KILL:{n}:{where}")
                case.counts = result.code == KILLED
                if not case.counts:
                    continue
                if run := run_folder(case.out):
                    case.whole(run)
                case.goes_on(settings, reference)


def paused_run(tools):
    """A run that was paused after its first epoch."""
    paused = tools.shared / "paused"
    if not paused.exists():
        case = Case(tools, "shared/pausing")
        case.succeeds(*tools.training(STEPS, case.out), "--until-epoch", "1")
        run_folder(case.out).rename(paused)
    return paused


def chosen_calls(tools, rng, kind, calls, where, attack, count=None):
    """So many (call, n) of those that `attack`, which is of this kind, makes; all kinds of calls in turn."""
    waiting = []
    for call in calls:
        all_of_them = list(range(1, number_of_calls(tools, kind, call, where, attack) + 1))
        rng.shuffle(all_of_them)
        waiting.append([(call, n) for n in all_of_them])
    in_turn = [point for turn in itertools.zip_longest(*waiting) for point in turn if point]
    return in_turn[:count]


def number_of_calls(tools, kind, call, where, attack):
    """How often `attack` makes a call: the largest n at which it can be killed."""
    if (kind, call, where) in tools.calls:
        return tools.calls[kind, call, where]

    def reached(n):
        case = Case(tools, "cases/counting")
        code = attack(case, f"{call}:KILL:{n}:{where}").code
        shutil.rmtree(case.dir, ignore_errors=True)
        return code == KILLED

    low, high = 0, 1
    while reached(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if reached(middle) else (low, middle)
    tools.calls[kind, call, where] = low
    return low


# ---- c: calls that fail ---------------------------------------------------------------------------------------------

ERRORS = {
    "open": ["EIO", "EMFILE", "ENFILE", "ENOMEM", "EACCES", "EPERM", "ENOSPC", "EROFS"],
    "read": ["EIO", "ENOMEM", "ESTALE", "EINVAL", "EINTR"],
    "write": ["EIO", "ENOSPC", "EDQUOT", "EFBIG", "ENOMEM", "EINVAL", "EINTR"],
    "fsync": ["EIO", "ENOSPC", "EDQUOT", "EINVAL", "EINTR"],
    "rename": ["EIO", "ENOSPC", "EACCES", "EROFS", "EXDEV", "EBUSY", "EINVAL"],
    "renameat2": ["EIO", "ENOSPC", "EACCES", "EROFS", "EXDEV", "EINVAL", "ENOSYS", "EPERM"],
    "mkdir": ["EIO", "ENOSPC", "EACCES", "EROFS"],
    "unlink": ["EIO", "EACCES", "EROFS", "EBUSY"],
    "ftruncate": ["EIO", "ENOSPC", "EINVAL"],
    "flock": ["ENOLCK", "EIO", "EINTR"],
}


def near(a, b):
    """Whether two rows of JSON are the same but for rounding: an image that is left out of a batch makes the products of the others
    another shape."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(near(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(near, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-6)
    return a == b


class Action:
    """Something that the program is asked to do while calls fail. `places`: kinds of calls and where they fail."""

    def __init__(self, tools, name, count, places):
        self.tools, self.name, self.count, self.places = tools, name, count, places

    def set_up(self, case):
        pass

    def arguments(self, case):
        raise NotImplementedError

    def stdin(self):
        return None

    def check(self, case, result):
        """What has to be so whatever the exit code."""

    def check_done(self, case, result):
        """What has to be so after exit code 0."""

    def run(self, case, **options):
        return case.run(*self.arguments(case), stdin=self.stdin(), **options)

    def attack(self, case, rule):
        self.set_up(case)
        return self.run(case, rules=rule)

    def judge(self, case, result, reasons):
        """Nothing is lost without an exit code, and the words say what failed: one of `reasons`, and where."""
        words = result.err + result.out.decode(errors="replace")  # inspect and --json say it there
        if result.code == 0:
            self.check_done(case, result)
        elif result.code not in (1, 2):
            case.wrong(f"{code_text(result.code)}: {last_line(result.err)}")
        elif not any(reason in words for reason in reasons):
            case.wrong(f"its words do not tell why: {last_line(words)}")
        elif not any(place in words for place in (str(self.tools.scratch), "memory", "thread", "standard input")):
            case.wrong(f"its words do not tell where: {last_line(words)}")
        self.check(case, result)


class Training(Action):
    """A training from its beginning, or one that goes on."""

    def __init__(self, tools, count, resumed):
        places = [(WRITING, IN_RUN), (["open", "read"], "*/pair/*.png"), (["open"], "*/pair*")]
        if resumed:
            places.append((["open", "read"], IN_RUN))
        super().__init__(tools, "train --resume" if resumed else "train", count, places)
        self.resumed = resumed

    def set_up(self, case):
        if self.resumed:
            case.copy(paused_run(self.tools), "out/2026-01-01/10-00-00")

    def arguments(self, case):
        if self.resumed:
            return ["train", "--resume", case.out / "2026-01-01/10-00-00"]
        return self.tools.training(STEPS, case.out)

    def check_done(self, case, result):
        case.same_run(self.tools.run, run_folder(case.out))

    def check(self, case, result):
        if run := run_folder(case.out):
            case.whole(run)
            if self.resumed:
                for name in "best", "last":
                    if not (run / name).exists():
                        case.wrong(f"{name}/ was there before and is lost")
        case.goes_on(STEPS, self.tools.run)


class Prediction(Action):
    """Predictions of files, a folder or standard input, by a model that is named or chosen."""

    def __init__(self, tools, name, count, choice, images, places, sort=False):
        super().__init__(tools, name, count, places)
        self.choice, self.images, self.sort = choice, images, sort
        case = Case(tools, f"shared/prediction-{name.replace(' ', '-')}")
        result = self.run(case)
        assert result.code == 0, result.err
        self.wanted = result.rows()
        self.sorted = content(case.dir / "sorted") if sort else None

    def arguments(self, case):
        sort = ["--sort-into", case.dir / "sorted"] if self.sort else []
        return ["predict", *self.choice, "--json", *sort, self.images]

    def stdin(self):
        return next(self.tools.photos.iterdir()) if self.images == "-" else None

    def check_done(self, case, result):
        if result.rows() != self.wanted:
            case.wrong("exit code 0, and not the predictions that it makes otherwise")
        if self.sort and content(case.dir / "sorted") != self.sorted:
            case.wrong("exit code 0, and the images are not sorted as otherwise")

    def check(self, case, result):
        wanted = {row["image"]: row for row in self.wanted}
        for row in result.rows():
            if "error" in row:
                if row["image"] not in row["error"] and row["image"] != "-":
                    case.wrong(f"an error that does not name its image: {row}")
            elif not near(row, wanted[row["image"]]):
                case.wrong(f"another prediction than otherwise: {row}")
        if self.sort and result.code != 0:
            self.succeeds_after(case)

    def succeeds_after(self, case):
        case.succeeds(*self.arguments(case))
        if content(case.dir / "sorted") != self.sorted:
            case.wrong("sorted once more, and not as otherwise")


class Answer(Action):
    """A command whose answer is on standard output."""

    def __init__(self, tools, name, count, command, places):
        super().__init__(tools, name, count, places)
        self.command = command
        result = self.run(Case(tools, f"shared/answer-{name.replace(' ', '-')}"))
        assert result.code == 0, result.err
        self.wanted = result.out

    def arguments(self, case):
        return self.command

    def check_done(self, case, result):
        if result.out != self.wanted and not (b'"problem": "cannot' in result.out):
            case.wrong("exit code 0, and not the answer that it gives otherwise")


class Export(Action):
    """An export in the place of an earlier one."""

    def __init__(self, tools, count, form):
        super().__init__(tools, f"export to {form}", count,
                         [(WRITING, "*/cases/*/out*"), (WRITING, "*/cases/*/.out*"),
                          (["open", "read"], "*/shared/trained/*")])
        self.form = form
        self.wanted = exported(tools, tools.model, form)
        self.earlier = exported(tools, tools.other / "best", form)

    def set_up(self, case):
        case.run("export", "--model", self.tools.other / "best", "--to", self.form, "--out", case.out)

    def arguments(self, case):
        return ["export", "--model", self.tools.model, "--to", self.form, "--out", case.out]

    def check_done(self, case, result):
        if self.files(case) != self.wanted:
            case.wrong("exit code 0, and not the model that it exports otherwise")

    def check(self, case, result):
        if self.files(case) not in (self.wanted, self.earlier):
            case.wrong("neither the earlier model nor the new one")
        case.succeeds(*self.arguments(case))
        if self.files(case) != self.wanted:
            case.wrong("exported once more, and not as otherwise")
        case.nothing_temporary(case.dir)

    def files(self, case):
        """All but results, which a card takes from the run if they can be read."""
        return content(case.out)


class Embedding(Action):
    """Features in the place of earlier ones."""

    def __init__(self, tools, count, suffix):
        super().__init__(tools, f"embed to {suffix}", count,
                         [(WRITING, "*/cases/*/out*"), (["open", "read"], "*/pair/*.png"),
                          (["open", "read"], "*/shared/trained/*")])
        self.suffix = suffix
        self.wanted = self.made(self.arguments)
        self.earlier = self.made(self.earlier_arguments)

    def made(self, arguments):
        case = Case(self.tools, "shared/embedding")
        case.out.mkdir()
        case.run(*arguments(case))
        return content(case.out)

    def arguments(self, case):
        return ["embed", "--model", self.tools.model, "--out", case.out / f"f{self.suffix}", self.tools.pair]

    def earlier_arguments(self, case):
        return ["embed", "--model", self.tools.model, "--out", case.out / f"f{self.suffix}", self.tools.pair / "one"]

    def set_up(self, case):
        case.out.mkdir(exist_ok=True)
        case.run(*self.earlier_arguments(case))

    def check_done(self, case, result):
        if content(case.out) != self.wanted:
            case.wrong("exit code 0, and not the features that it writes otherwise")

    def check(self, case, result):
        files = {name: data for name, data in content(case.out).items() if not name.startswith(".")}
        if files not in (self.wanted, self.earlier):
            without_names = {name: data for name, data in self.wanted.items() if not name.endswith(".txt")}
            if files != without_names:
                case.wrong("neither the earlier features nor the new ones")
        case.succeeds(*self.arguments(case))
        if content(case.out) != self.wanted:
            case.wrong("written once more, and not as otherwise")


class Deletion(Action):
    """A run that is moved to the bin."""

    def __init__(self, tools, count):
        super().__init__(tools, "runs delete", count,
                         [(["rename", "renameat2", "mkdir", "open", "write", "unlink", "flock"], "*/cases/*/out/*")])

    def set_up(self, case):
        case.copy(self.tools.run, "out/2026-01-01/10-00-00")

    def arguments(self, case):
        return ["runs", "delete", "--root", case.out, case.out / "2026-01-01/10-00-00"]

    def places_of(self, case):
        run = case.out / "2026-01-01/10-00-00"
        moved = [path.parent for path in case.out.rglob("config.yaml") if ".bin" in path.parts]
        return run, moved

    def check_done(self, case, result):
        run, moved = self.places_of(case)
        if run.exists() or len(moved) != 1:
            case.wrong("exit code 0, and it is not in the bin")

    def check(self, case, result):
        run, moved = self.places_of(case)
        wanted = content(self.tools.run)
        if not any(place.exists() and content(place) == wanted for place in [run, *moved]):
            case.wrong("the run is nowhere whole")


def part_c(tools, rng):
    """System calls that fail: the exit code and the words tell it, what was there before stays, and it goes on."""
    project = tools.shared / "project" / "outputs"  # of two runs the newer is the better one
    for day, run, accuracy in ("2026-01-01", tools.other, 0.5), ("2026-01-02", tools.run, 0.9):
        folder = project / day / "10-00-00"
        shutil.copytree(run, folder)
        result = json.loads((folder / "result.json").read_text())
        result |= {"best_val_acc": accuracy, "started": f"{day} 10:00:00"}
        (folder / "result.json").write_text(json.dumps(result))
    reading = ["open", "read"]
    in_model = (reading, "*/shared/trained/*")
    in_photos = (reading + ["open"], "*/photos*")
    in_project = (reading + ["flock"], "*/project*")
    into = (["open", "mkdir", "rename", "renameat2", "unlink"], "*/cases/*/sorted*")
    model = ["--model", tools.model]
    actions = [
        Training(tools, 80, False), Training(tools, 85, True),
        Prediction(tools, "predict", 30, model, tools.photos, [in_model, in_photos]),
        Prediction(tools, "predict a text from input", 10, model, "-", [in_model, in_photos]),
        Prediction(tools, "predict and sort", 25, model, tools.photos, [into, in_photos], sort=True),
        Prediction(tools, "predict with the latest", 12, ["--latest", "--root", project], tools.pair, [in_project]),
        Prediction(tools, "predict with the best", 12, ["--best", "--root", project], tools.pair, [in_project]),
        Answer(tools, "evaluate", 25, ["evaluate", *model, "--json", tools.pair], [in_model, (reading, "*/pair*")]),
        Answer(tools, "inspect", 6, ["inspect", "--json", tools.model], [in_model]),
        Answer(tools, "runs", 15, ["runs", "--root", project], [in_project]),
        Answer(tools, "runs as JSON", 12, ["runs", "--json", "--root", project], [in_project]),
        Answer(tools, "runs diff", 8, ["runs", "diff", "--root", project, "1", "2"], [in_project]),
        Deletion(tools, 15),
        *[Export(tools, 13, form) for form in ("timm", "transformers", "onnx")],
        Embedding(tools, 15, ".npy"), Embedding(tools, 11, ".csv"),
    ]
    number = itertools.count()
    for action in actions:
        points = []
        for calls, where in action.places:
            points.append([(call, n, where) for call, n in
                           chosen_calls(tools, rng, action.name, calls, where, action.attack)])
        # All places in turn, and of each any call.
        for place in points:
            rng.shuffle(place)
        in_turn = [p for turn in itertools.zip_longest(*points) for p in turn if p]
        for i in range(tools.count(action.count)):
            call, n, where = in_turn[i % len(in_turn)]
            name = rng.choice(ERRORS[call])
            onwards = "+" if name != "EINTR" and rng.random() < 0.4 else ""
            with tools.case("c", next(number)) as case:
                result = action.attack(case, f"{call}:{name}:{n}{onwards}:{where}")
                action.judge(case, result, [os.strerror(getattr(errno, name))])

    # What no rule of faults.cpp can do: memory and descriptors of the whole process come to an end.
    wanted = tools.counts["c"][0] + tools.count(35)
    for i in range(10 * tools.count(35)):
        if tools.counts["c"][0] >= wanted:
            break
        action = rng.choice(actions)
        with tools.case("c", next(number)) as case:
            action.set_up(case)
            limits = {"nofile": rng.randint(4, 12)} if i % 3 == 0 else {"as": int(rng.uniform(50, 130)) << 20}
            result = action.run(case, limits=limits)
            case.counts = result.code != NOT_STARTED
            if case.counts:
                action.judge(case, result, ["memory", "Too many open files", "Resource temporarily unavailable"])


# ---- d: full disks --------------------------------------------------------------------------------------------------


def part_d(tools, rng):
    """Disks that become full, limits on the size of files, standard output that takes nothing."""
    number = itertools.count()
    reference = tools.run
    for i in range(tools.count(20)):
        with tools.case("d", next(number)) as case, small_disk(case) as disk:
            case.out = disk / "out"
            if i % 2:
                case.copy(paused_run(tools), case.out / "2026-01-01/10-00-00")
                before = run_folder(case.out)
                arguments = ["train", "--resume", before]
            else:
                arguments = tools.training(STEPS, case.out)
            free = rng.randrange(4, 320 if i % 2 == 0 else 120, 4)
            ballast = fill(case, disk, free)
            result = case.run(*arguments)
            judge_full(case, result, "No space left on device")
            if run := run_folder(case.out):
                case.whole(run)
                for name in ("best", "last") if i % 2 else ():
                    if not (run / name).exists():
                        case.wrong(f"{name}/ was there before and is lost")
            ballast.unlink()
            case.commands.append(f"rm {shlex.quote(str(ballast))}")
            case.goes_on(STEPS, reference)

    for i in range(tools.count(14)):
        kind = i % 4
        with tools.case("d", next(number)) as case:
            limits = {"fsize": int(math.exp(rng.uniform(math.log(200), math.log(60000))))}
            if kind < 2:
                training = Training(tools, 0, resumed=kind == 1)
                training.set_up(case)
                result = training.run(case, limits=limits)
                judge_full(case, result, "File too large")
                training.check(case, result)
            else:
                action = Export(tools, 0, "timm") if kind == 2 else Embedding(tools, 0, ".npy")
                action.set_up(case)
                result = action.run(case, limits=limits)
                judge_full(case, result, "File too large")
                if result.code == 0:
                    action.check_done(case, result)
                action.check(case, result)

    model = ["--model", tools.model]
    commands = [["predict", *model, tools.photos], ["predict", *model, "--json", tools.photos],
                ["predict", *model, "--csv", tools.photos], ["evaluate", *model, tools.pair],
                ["evaluate", *model, "--json", tools.pair], ["runs", "--root", tools.run.parent.parent],
                ["runs", "--json", "--root", tools.run.parent.parent], ["inspect", tools.model],
                ["inspect", "--json", tools.model], ["probe", *model, "--train", tools.pair, "--knn", "5"],
                ["train", "--config", tools.no_settings, "--cfg", "data.train=photos"], []]
    for command in commands[:tools.count(len(commands))]:
        with tools.case("d", next(number)) as case:
            result = case.run(*command, stdout="/dev/full") if command else case.train(STEPS, stdout="/dev/full")
            judge_full(case, result, "cannot write to standard output: No space left on device")
            if result.code == 0:
                case.wrong("exit code 0, and its words are lost")
            if not command:
                case.same_run(reference, run_folder(case.out))


@contextlib.contextmanager
def small_disk(case):
    """A small file system of its own. Where none can be mounted, the case does not count."""
    disk = case.dir / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    case.commands.append(shlex.join(["mkdir", "-p", str(disk)]) + "; " + shlex.join(command))
    if subprocess.run(command, stderr=subprocess.DEVNULL).returncode != 0:
        case.counts = False
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], stderr=subprocess.DEVNULL)


def fill(case, disk, kib):
    """Fills a disk but for so many KiB. Returns the file that does it."""
    ballast = disk / "ballast"
    with open(ballast, "wb") as file:
        with contextlib.suppress(OSError):
            while True:
                os.write(file.fileno(), bytes(4096))
        size = max(0, file.seek(0, os.SEEK_END) - (kib << 10))
        file.truncate(size)
    case.commands.append(f"head -c {size} /dev/zero >{shlex.quote(str(ballast))}")
    return ballast


def judge_full(case, result, reason):
    if result.code not in (0, 1):
        case.wrong(f"{code_text(result.code)}: {last_line(result.err)}")
    elif result.code == 1 and reason not in result.err:
        case.wrong(f"its words do not tell why: {last_line(result.err)}")


# ---- e: damaged images ----------------------------------------------------------------------------------------------


def original_images():
    """Images of all kinds that the program reads, none of them large."""
    suffixes = {".jpg", ".png", ".webp", ".gif", ".tif", ".avif", ".heic", ".bmp"}
    files = [*(FIXTURES / "data_decode").iterdir(), *(FIXTURES / "image_formats").iterdir()]
    return sorted(p for p in files if p.suffix in suffixes and not p.name.endswith(".rgb.png"))


def damaged(data, rng, others):
    """Bytes with one or a few kinds of damage."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        at = rng.randrange(len(data))
        if rng.random() < 0.4:
            at = rng.randrange(min(len(data), 64))  # where headers are
        length = min(rng.choice([1, 2, 4, 8, 16, 64, 256]), len(data) - at)
        match rng.randrange(9):
            case 0:  # bits
                for _ in range(rng.choice([1, 1, 2, 8, 32])):
                    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            case 1:  # bits near one place
                for _ in range(rng.choice([1, 2, 4])):
                    data[min(at + rng.randrange(8), len(data) - 1)] ^= 1 << rng.randrange(8)
            case 2:  # a cut
                del data[max(1, at):]
            case 3:  # a hole
                if len(data) > length:
                    del data[at:at + length]
            case 4:  # a part again
                data[at:at] = data[at:at + length] * rng.choice([1, 2, 50])
            case 5:  # two parts in each other's place
                other = rng.randrange(len(data))
                length = min(length, abs(other - at))
                a, b = sorted((at, other))
                data[a:a + length], data[b:b + length] = data[b:b + length], data[a:a + length]
            case 6:  # a number that is a lie
                size, order = rng.choice([1, 2, 4]), rng.choice(["little", "big"])
                value = rng.choice([0, 1, 2, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1])
                data[at:at + size] = (value % 256**size).to_bytes(size, order)
            case 7:  # all the same
                data[at:at + length] = bytes([rng.choice([0, 255, rng.randrange(256)])]) * length
            case 8:  # a part of another file
                other = rng.choice(others)
                begin = rng.randrange(len(other))
                data[at:at + length] = other[begin:begin + length]
        if not data:
            data = bytearray(b"\0")
    return bytes(data)


def part_e(tools, rng):
    """Damaged images: each is predicted or named, whatever is in it, within ten seconds."""
    originals = [(path.suffix, path.read_bytes()) for path in original_images()]
    contents = [data for _, data in originals]
    count = tools.count(2500)
    together = 50
    for begin in range(0, count, together):
        folder = tools.scratch / "e" / f"images{begin}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        paths = []
        for i in range(begin, min(begin + together, count)):
            suffix, data = originals[i % len(originals)]
            paths.append(folder / f"{i}{suffix}")
            paths[-1].write_bytes(damaged(data, rng, contents))
        problems = image_problems(Case(tools, "e/all"), paths, timeout=60)
        for path in paths:
            with tools.case("e", path.stem) as case:
                if problems:  # who is it?
                    case.problems += image_problems(case, [path], timeout=10)
                    if not case.problems and path == paths[-1]:
                        case.problems += [f"only with the others of {folder}: {problem}" for problem in problems]
        if not problems:
            shutil.rmtree(folder)


def is_prediction(row):
    """Whether a row has classes, and numbers that are finite."""
    numbers = [*row["logits"], row["confidence"], *(top["probability"] for top in row["top"])]
    return (bool(row["logits"]) and row["label"] is not None and 0 <= row["confidence"] <= 1
            and all(map(math.isfinite, numbers)))


def image_problems(case, paths, timeout):
    """What is wrong with the predictions of these images."""
    begin = time.monotonic()
    result = case.run("predict", "--model", case.tools.model, "--json", *paths, timeout=timeout)
    if result.code not in (0, 1):
        return [f"{code_text(result.code)}: {last_line(result.err)}"]
    if time.monotonic() - begin > 10:
        return [f"it took {time.monotonic() - begin:.0f} s"]
    try:
        rows = result.rows()
    except ValueError as error:
        return [f"no JSON: {error}"]
    found = []
    if [row["image"] for row in rows] != [str(path) for path in paths]:
        found.append(f"{len(rows)} rows for {len(paths)} images, or in another order")
    errors = [row for row in rows if "error" in row]
    if (result.code == 0) != (not errors):
        found.append(f"{len(errors)} images with an error, and exit code {result.code}")
    for row in rows:
        if "error" in row:
            if row["image"] not in row["error"] or len(row["error"]) > 1000:
                found.append(f"an error that does not name its image, or is long: {row['error'][:300]}")
        elif not is_prediction(row):
            found.append(f"not a prediction: {row}")
    return found


# ---- f: damaged models ----------------------------------------------------------------------------------------------

ODD_VALUES = [None, True, False, 0, 1, -1, 2, 3, 7, 255, 1024, 65536, 10**6, 10**9, 2**31, 2**32, 2**53 + 1, 2**63,
              2**64, -2**63, 10**30, 0.5, 1e-45, 1e300, -0.0, "", "0", "16", "gelu", "nan", "\u0000", "\ud7ff",
              "x" * 10000, [], [0], [1, 2], [16, 16, 16], [[16]], ["a", "a"], {}, {"0": "a"}, {"a": {}}, {"height": 16},
              {"width": -1}]


def damaged_json(text, rng):
    """A JSON text in which something is missing, of another kind, or no JSON."""
    value = json.loads(text)
    kind = rng.randrange(10)
    if kind == 0:
        return damaged(text, rng, [text])
    if kind == 1:
        return rng.choice([b"", b"{", b"[]", b"null", b"1e999", b'{"a":1}', b"[" * 100000, b'{"a":' * 50000,
                           b"\xef\xbb\xbf" + text, text + text, text.replace(b":", b": :", 1),
                           text.replace(b"1", b"1e400"), text.replace(b'"', b"'"), b"\0" * 1000, text.rstrip()[:-1]])
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        places = list(places_in(value))
        if not places:
            break
        container, key = rng.choice(places)
        match rng.randrange(6):
            case 0:
                del container[key]
            case 1 | 2:
                container[key] = rng.choice(ODD_VALUES)
            case 3:
                old = container[key]
                container[key] = rng.choice([[old], {"value": old}, str(old), [old] * 1000])
            case 4:
                if isinstance(container[key], (int, float)) and not isinstance(container[key], bool):
                    number = container[key]
                    container[key] = rng.choice([-number, number + 1, number * 2, number * 1000003, number / 3,
                                                 1 - number])
                else:
                    container[key] = rng.choice(ODD_VALUES)
            case 5:
                if isinstance(container, dict):
                    name = rng.choice([key + "_", key.upper(), "", "model_type", "architecture"])
                    container[name] = container.pop(key)
                else:
                    container.insert(key, container[key])
    return json.dumps(value).encode()


def places_in(value):
    """All (container, key) in a JSON value."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places_in(value[key])


def damaged_weights(data, rng):
    """A file of weights whose header lies, or whose bytes are not all there or others."""
    size = struct.unpack("<Q", data[:8])[0]
    text, body = data[8:8 + size], data[8 + size:]
    kind = rng.randrange(10)
    if kind == 0:
        return damaged(data, rng, [data])
    if kind == 1:
        return data[:rng.choice([0, 1, 7, 8, 9, 8 + size - 1, 8 + size, len(data) - 1, rng.randrange(len(data))])]
    if kind == 2:
        lie = rng.choice([0, 1, 2, size - 1, size + 1, len(data), len(data) - 8, 2**31, 2**32, 2**63 - 1, 2**63,
                          2**64 - 1, 100_000_001])
        return struct.pack("<Q", lie) + data[8:]
    if kind == 3:
        return rng.choice([data + bytes(rng.choice([1, 4, 100])), data + data, body, b"", bytes(len(data))])
    if kind == 4:  # numbers that are none, or very large
        at = rng.randrange(len(body) // 4) * 4
        number = struct.pack("<f", rng.choice([math.nan, math.inf, -math.inf, 3e38, -3e38, 1e-45]))
        count = rng.choice([1, 16, 1000])
        return data[:8 + size] + body[:at] + (number * count)[:len(body) - at] + body[at + 4 * count:]
    if kind == 5:
        text = damaged_json(text, rng)
        return struct.pack("<Q", len(text)) + text + body
    header = json.loads(text)
    tensors = json.loads(text)
    tensors.pop("__metadata__", None)
    names = list(tensors)
    for _ in range(rng.choice([1, 1, 2, 5])):
        name = rng.choice(names)
        if name not in header:
            continue
        entry, shape, (begin, end) = header[name], tensors[name]["shape"], tensors[name]["data_offsets"]
        match rng.randrange(7):
            case 0:
                entry["shape"] = rng.choice([[], [0], [1], [-1], [2**62, 4], [2**32, 2**32], shape[::-1], shape + [1],
                                             [1] + shape, [end], [1] * 1000, [1.5], ["16"], [n + 1 for n in shape],
                                             [n // 2 for n in shape], None])
            case 1:
                entry["dtype"] = rng.choice(["F64", "F16", "BF16", "I64", "I8", "BOOL", "U8", "F8_E4M3", "", "f32",
                                             None, 5])
            case 2:
                entry["data_offsets"] = rng.choice([[0, 0], [end, begin], [begin, end + 4], [begin - 4, end],
                                                    [begin, 2**63], [-4, end], [2**64, 2**64 + 4], [begin], [], None,
                                                    [begin + 4, end + 4], [begin + 1, end + 1], [0.0, 4.0],
                                                    [len(body), len(body) + end - begin]])
            case 3:
                del header[name]
            case 4:
                header[rng.choice([name + "_", "", "x" * 5000, "blocks.999999999.norm1.weight", "\u0000",
                                   name.replace("0", "1"), "__metadata__"])] = header.pop(name)
            case 5:
                other = rng.choice(names)
                if other in header:
                    header[name] = header[other]
            case 6:
                header["__metadata__"] = rng.choice([{}, [], None, {"format": 1}, {"a": "b" * 10000}, {"format": "tf"}])
    text = json.dumps(header).encode()
    if rng.random() < 0.2 and names:  # a name twice
        text = text[:-1] + f",{json.dumps(names[0])}:{json.dumps(header.get(names[0]))}}}".encode()
    return struct.pack("<Q", len(text)) + text + body


def damage_model(source, folder, rng):
    """Copies a model folder with damage in one file or two."""
    folder.mkdir(parents=True)
    files = {name: (source / name).read_bytes()
             for name in ("config.json", "preprocessor_config.json", "model.safetensors") if (source / name).exists()}
    for name in rng.sample(sorted(files), rng.choice([1, 1, 1, min(2, len(files))])):
        if rng.random() < 0.02:
            match rng.randrange(3):
                case 0:
                    del files[name]
                case 1:
                    del files[name]
                    (folder / name).mkdir()
                case 2:
                    del files[name]
                    (folder / name).symlink_to(rng.choice(["nowhere", name, "/dev/zero", "/dev/full", "."]))
        elif name.endswith(".json"):
            files[name] = damaged_json(files[name], rng)
        else:
            files[name] = damaged_weights(files[name], rng)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def part_f(tools, rng):
    """Damaged models: refused in few words, or accepted, and then all that comes out is finite."""
    sources = sorted(path for path in (FIXTURES / "pretrained").iterdir() if path.is_dir())
    image = sorted((tools.pair / "zero").iterdir())[0]
    count, together = tools.count(3375), 25
    for begin in range(0, count, together):
        base = tools.scratch / "f" / f"models{begin}"
        shutil.rmtree(base, ignore_errors=True)
        folders = []
        for i in range(begin, min(begin + together, count)):
            folders.append(base / f"{i}-{sources[i % len(sources)].name}")
            damage_model(sources[i % len(sources)], folders[-1], rng)
        problems = inspect_problems(Case(tools, "f/all"), folders, timeout=60)
        kept = False
        for folder in folders:
            with tools.case("f", folder.name.split("-")[0]) as case:
                if problems:
                    case.problems += inspect_problems(case, [folder], timeout=10)
                    if not case.problems and folder == folders[-1]:
                        case.problems += [f"only with the others: {problem}" for problem in problems]
                case.problems += model_problems(case, folder, image)
                kept = kept or bool(case.problems)
        if not kept:
            shutil.rmtree(base)


def inspect_problems(case, folders, timeout):
    """What is wrong with what inspect says about these folders."""
    begin = time.monotonic()
    result = case.run("inspect", "--json", "--brief", *folders, timeout=timeout)
    if result.code not in (0, 1):
        return [f"inspect: {code_text(result.code)}: {last_line(result.err)}"]
    if time.monotonic() - begin > 10:
        return [f"inspect: it took {time.monotonic() - begin:.0f} s"]
    try:
        rows = result.rows()
    except ValueError as error:
        return [f"inspect: no JSON: {error}"]
    found = []
    if [row["path"] for row in rows] != [str(folder) for folder in folders]:
        found.append(f"inspect: {len(rows)} rows for {len(folders)} models, or in another order")
    refused = [row for row in rows if "problem" in row]
    if (result.code == 0) != (not refused):
        found.append(f"inspect: {len(refused)} refused, and exit code {result.code}")
    for row in rows:
        if len(row.get("problem", "")) > 2000:
            found.append(f"inspect: words without end: {row['problem'][:300]}")
        if "problem" not in row and not row.get("parameters", 0) > 0:
            found.append(f"inspect: neither refused nor accepted: {row}")
    return found


def model_problems(case, folder, image):
    """What is wrong with a prediction by this model."""
    result = case.run("predict", "--model", folder, "--json", image, timeout=10)
    if result.code not in (0, 1, 2):
        return [f"predict: {code_text(result.code)}: {last_line(result.err)}"]
    if len(result.err) > 4000:
        return [f"predict: words without end: {result.err[:300]}"]
    try:
        rows = result.rows()
    except ValueError as error:
        return [f"predict: no JSON: {error}"]
    if result.code != 0:
        said = [line for line in result.err.splitlines() if not line.startswith("minivit predict: model: ")]
        return [] if said else ["predict: refused without a word"]
    if len(rows) != 1 or not is_prediction(rows[0]):
        return [f"predict: exit code 0, and not a prediction: {result.out[:300]}"]
    return []


# ---- g: the same bits -----------------------------------------------------------------------------------------------


def part_g(tools, rng):
    """The same training in many ways: threads, kills, folders, the order of settings. The bits are the same."""
    larger = ["model.image_size=32", "model.patch_size=4", "model.embedding_dim=48", "model.num_layers=2",
              "model.num_heads=4", "model.mlp_ratio=4", "training.batch_size=8", "training.lr=2e-3", "training.seed=3",
              "training.epochs=2", "training.save_seconds=0", "log.curves=no"]
    variants = {
        "plain": [],
        "random": ["model.dropout=0.1", "model.attention_dropout=0.1", "model.drop_path=0.2", "training.ema=0.9",
                   "training.accumulate=2", "data.trivial_augment=yes", "model.head_dropout=0.1"],
        "gray": ["model.channels=1", "model.activation=swiglu", "model.pooling=mean", "model.qk_norm=yes",
                 "model.register_tokens=2"],
        "sgd": ["training.optimizer=sgd", "training.lr=0.05", "data.sampler=balanced",
                "training.class_weights=balanced", "data.val_fraction=0.3"],
        "adapters": [f"model.pretrained={tools.model}", "training.lora_rank=2", "model.image_size=8",
                     "model.patch_size=2", "model.embedding_dim=16", "model.num_layers=1", "model.num_heads=2",
                     "model.mlp_ratio=2"],
        "recompute": ["training.recompute=yes", "training.layer_decay=0.8", "training.clip_norm=0.1",
                      "model.distillation=head", "model.positions=sincos"],
        "oblong": ["model.image_size=40x24", "model.patch_size=8", "data.fit=squash", "data.interpolation=bilinear",
                   "training.label_smoothing=0.1", "model.norm_pre=yes", "model.layer_scale=0.1", "data.scale_min=0.3"],
    }
    ways = ["plain", "killed", "elsewhere", "reordered", "workers", "one core"]
    plan = [(variant, way, threads) for variant in variants for way in ways for threads in (1, 2, 3, 4)]
    for number, (variant, way, threads) in enumerate(plan[:tools.count(len(plan))]):
        changed = {text.split("=")[0]: text for text in larger + variants[variant]}
        settings = list(changed.values())
        reference = tools.reference(f"same-{variant}", settings)
        with tools.case("g", number) as case:
            env = {"OMP_NUM_THREADS": str(threads)}
            if way == "killed":
                for n in range(rng.randint(5, 40), 0, -4):
                    shutil.rmtree(case.out, ignore_errors=True)
                    case.commands.clear()
                    if case.train(settings, env=env, rules=f"fsync:KILL:{n}:*/out/*").code == KILLED:
                        break
                if run := run_folder(case.out):
                    case.succeeds("train", "--resume", run, env={"OMP_NUM_THREADS": str(threads % 4 + 1)})
                else:
                    case.train(settings, env=env)
            elif way == "elsewhere":
                case.out = case.dir / "another place" / "f\u00fcr" / "out"
                case.train(settings, env=env)
            elif way == "reordered":
                case.train(rng.sample(settings, len(settings)), env=env)
            elif way == "workers":
                workers = [f"data.workers={(0, 2, 3, 5)[threads - 1]}", f"data.cache_mb={threads % 2}"]
                case.train(settings + workers, env=env)
            else:
                cpus = {min(os.sched_getaffinity(0))} if way == "one core" else None
                case.train(settings, env=env, cpus=cpus)
            case.same_run(reference, run_folder(case.out))


# ---- all of it ------------------------------------------------------------------------------------------------------

PARTS = {"a": (part_a, "kills at random moments"), "b": (part_b, "kills at single calls"),
         "c": (part_c, "calls that fail"), "d": (part_d, "full disks"), "e": (part_e, "damaged images"),
         "f": (part_f, "damaged models"), "g": (part_g, "the same bits")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", metavar="BUILD_DIR", type=Path)
    parser.add_argument("scratch", metavar="SCRATCH_DIR", type=Path)
    parser.add_argument("--only", metavar="PART", default="".join(PARTS))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not set(options.only) <= set(PARTS):
        parser.error(f"--only {options.only}: expected letters of {''.join(PARTS)}")
    tools = Tools(options.build, options.scratch, options.scale, options.seed)
    tools.prepare()
    for part in options.only:
        attack, name = PARTS[part]
        begin = time.monotonic()
        attack(tools, random.Random(f"{options.seed} {part}"))
        done, failed = tools.counts.get(part, (0, 0))
        print(f"{part}  {name:24} done {done:5}  held {done - failed:5}  failed {failed:4}  "
              f"{time.monotonic() - begin:5.0f} s", flush=True)
        for _, case in (failure for failure in tools.failures if failure[0] == part):
            print(f"   FAILED {case.dir.relative_to(tools.scratch)}: {'; '.join(case.problems)}\n      "
                  + "\n      ".join(case.commands), flush=True)
    return 1 if tools.failures else 0


if __name__ == "__main__":
    sys.exit(main())
