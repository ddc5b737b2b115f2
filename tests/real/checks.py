"""One line per check, and an exit code that tells whether all of them held."""

import sys
import traceback

failed = 0


def check(what):
    """Runs the decorated function at once, as one check."""

    def run(body):
        global failed
        try:
            body()
        except BaseException as error:  # an assert, an SDK error, a timeout: each fails this check only
            failed += 1
            if not isinstance(error, AssertionError) or not str(error):
                traceback.print_exc()
            print(f"FAIL {what}: {type(error).__name__}: {error}", flush=True)
        else:
            print(f"ok   {what}", flush=True)
        return body

    return run


def equal(actual, expected):
    assert actual == expected, f"{actual!r} instead of {expected!r}"


def done():
    sys.exit(1 if failed else 0)
