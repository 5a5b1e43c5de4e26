"""Network namespaces of the live kernel, each held by a child of this process that ends with it. Must run as root."""
import ctypes
import os
import signal
import subprocess

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
children = []


def hold():
    """The process id of a child that keeps a network namespace of its own."""
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        libc.prctl(1, signal.SIGKILL)  # ends with its parent
        if libc.unshare(CLONE_NEWNET) != 0:
            os._exit(1)
        os.write(told, b"1")
        signal.pause()
        os._exit(0)
    children.append(pid)
    if os.read(ready, 1) != b"1":
        raise RuntimeError("no network namespace could be made")
    return pid


def run(pid, *words, text=None):
    """What a command prints in a namespace; `text` is its standard input."""
    done = subprocess.run(["nsenter", "-t", str(pid), "-n", *words], input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr}")
    return done.stdout


def enter(pid):
    with open(f"/proc/{pid}/ns/net") as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def end_all():
    """Ends all namespaces that are held."""
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
