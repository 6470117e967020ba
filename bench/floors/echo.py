"""The floor under a Python function: one plain process that hands back what it is sent, with its length before it."""

import socket

connection = socket.socket(fileno=0)
while True:
    head = connection.recv(65536)
    if not head:
        break
    length = 4 + int.from_bytes(head[:4], "big")
    while len(head) < length:
        head += connection.recv(length - len(head))
    connection.sendall(head)
