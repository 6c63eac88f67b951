"""Builds the compiled layer: every rdbg/emu/*.pyx, against the headers and the library of the unicorn wheel."""

import os
import shlex
import shutil
import sysconfig
from importlib.util import find_spec
from pathlib import Path

from setuptools import Extension, setup


def check_compiler() -> None:
    """Say what is missing before minutes are spent on what cannot succeed."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    if shutil.which(compiler) is None:
        raise SystemExit(
            f"rdbg: the build needs a C compiler, and there is no {compiler}; on Debian: apt install gcc libc6-dev"
        )
    headers = Path(sysconfig.get_paths()["include"], "Python.h")
    if not headers.is_file():
        raise SystemExit(
            f"rdbg: the build needs Python's headers, and there is no {headers}; on Debian: apt install python3-dev"
        )


def unicorn_folder() -> Path:
    """Where the unicorn wheel is installed, found without importing it."""
    spec = find_spec("unicorn")
    if spec is None or spec.origin is None:
        raise SystemExit("rdbg: the build needs the unicorn wheel; install it with: pip install unicorn==2.1.4")
    return Path(spec.origin).parent


def extensions() -> list[Extension]:
    """One extension per .pyx file of rdbg/emu, named after it."""
    unicorn = unicorn_folder()
    return [
        Extension(
            f"rdbg.emu.{source.stem}",
            [str(source)],
            include_dirs=[str(unicorn / "include"), "rdbg/emu"],
            library_dirs=[str(unicorn / "lib")],
            # At run time the library is the one that rdbg.emu has loaded (the dynamic linker knows
            # it by its soname); the run path finds it too when both packages share one site-packages.
            extra_link_args=["-l:libunicorn.so.2", "-Wl,-rpath,$ORIGIN/../../unicorn/lib"],
            # What is rare must not be inlined into what is common (the block hook): registers would be saved for it.
            extra_compile_args=[
                "-O2",
                "-fno-strict-aliasing",
                "-fno-inline-functions-called-once",
                "-fno-tree-slp-vectorize",
                # Debugger's paths take a `const Cpu *`: that looking changes nothing is for the compiler to say.
                "-Werror=discarded-qualifiers",
            ],  # fmt: skip
            depends=[str(path) for pattern in ("*.pxd", "*.pxi") for path in sorted(source.parent.glob(pattern))],
        )
        for source in sorted(Path("rdbg/emu").glob("*.pyx"))
    ]


#: Where man and the shells look, below the environment that rdbg is installed in.
SHARED = [
    ("share/man/man1", ["rdbg/cli/shells/rdbg.1"]),
    ("share/bash-completion/completions", ["rdbg/cli/shells/rdbg"]),
    ("share/zsh/site-functions", ["rdbg/cli/shells/_rdbg"]),
    ("share/fish/vendor_completions.d", ["rdbg/cli/shells/rdbg.fish"]),
]

check_compiler()

from Cython.Build import cythonize  # noqa: E402  # only where there is something to build with

setup(ext_modules=cythonize(extensions(), compiler_directives={"language_level": 3}), data_files=SHARED)
