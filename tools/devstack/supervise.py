"""supervisord, but quick to notice that a process has ended: `python -m devstack.supervise CONF`."""

import os
import sys
from pathlib import Path

from supervisor.options import ServerOptions
from supervisor.supervisord import go

# supervisord looks at its children when one of its files stirs, else once a second. A pipe closes just before its
# process can be reaped, so that it nearly always is a second late, for each restart and each step of a stop.
_NOTICES_WITHIN_S = 0.1


def main() -> None:
    """Run in the folder of CONF until SIGTERM."""
    conf = Path(sys.argv[1])
    os.chdir(conf.parent)
    options = ServerOptions()
    options.realize(["-c", conf.name])
    options.first = True
    options.test = False
    wait = options.poller.poll
    options.poller.poll = lambda timeout: wait(min(timeout, _NOTICES_WITHIN_S))
    go(options)


if __name__ == "__main__":
    main()
