# Loads all modules of Synapse, then makes a homeserver out of a copy of this process for each order that it is given: loading takes
# longer than everything else that a start does. Orders are lines of JSON on standard input; what begins and ends is said on standard output.
import ctypes
import gc
import json
import os
import signal
import sys

import synapse.app.homeserver as homeserver
from twisted.internet import reactor

SET_SIGNAL_AT_PARENTS_DEATH = 1


def say(what):
    os.write(1, (json.dumps(what) + "\n").encode())


def say_who_ended(*_):
    while True:
        try:
            process, _status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if process == 0:
            return
        say({"ended": process})


def be_homeserver(config, log):
    ctypes.CDLL(None).prctl(SET_SIGNAL_AT_PARENTS_DEATH, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for descriptor, file in enumerate([os.open(os.devnull, os.O_RDONLY), output, output]):
        os.dup2(file, descriptor)
    # What it waits with, an epoll and a pipe, a copy would share with all others.
    reactor.__init__()
    sys.argv = ["synapse", "-c", config]
    homeserver.main()


gc.collect()
gc.freeze()
signal.signal(signal.SIGCHLD, say_who_ended)
say("ready")
for line in sys.stdin:
    order = json.loads(line)
    # Nobody is said to have ended who has not been said to have begun.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    process = os.fork()
    if process == 0:
        try:
            be_homeserver(**order)
        finally:
            os._exit(1)
    say({"begun": process})
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
