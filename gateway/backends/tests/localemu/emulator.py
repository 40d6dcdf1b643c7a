"""Runs LocalEmu in the network namespace that this is started in, whose loopback it brings up.

Whoever connects to the Unix socket that the command line names, from whatever namespace, is connected to LocalEmu. This says "ready"
when that works, and ends when its standard input does.
"""

import contextlib
import fcntl
import os
import socket
import struct
import sys
import threading
import time

from localemu.runtime.main import main

LOCALEMU = ("127.0.0.1", 4566)


def bring_up_the_loopback():
    # SIOCSIFFLAGS with IFF_UP in a struct ifreq: netdevice(7).
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh22x", b"lo", 1))


def serve(path, ready):
    while not listens():
        time.sleep(0.1)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(128)
    os.write(ready, b"ready\n")
    os.close(ready)

    while True:
        near, far = server.accept()[0], socket.create_connection(LOCALEMU)
        for source, target in ((near, far), (far, near)):
            threading.Thread(target=pass_on, args=(source, target), daemon=True).start()


def listens():
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(LOCALEMU).close()
        return True
    return False


def pass_on(source, target):
    with contextlib.suppress(OSError):
        while chunk := source.recv(1 << 16):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)


def end_with_standard_input():
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    bring_up_the_loopback()
    # What LocalEmu prints goes where its log does.
    ready = os.dup(1)
    os.dup2(2, 1)
    threading.Thread(target=serve, args=(sys.argv[1], ready), daemon=True).start()
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    main()
