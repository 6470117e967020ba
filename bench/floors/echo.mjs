// The floor under a Node.js function: one plain process that hands back what it is sent, with its length before it.

import { Socket } from 'node:net';

const connection = new Socket({ fd: 0, readable: true, writable: true });
let held = Buffer.alloc(0);
connection.on('data', (chunk) => {
  held = held.length ? Buffer.concat([held, chunk]) : chunk;
  while (held.length >= 4 && held.length >= 4 + held.readUInt32BE()) {
    const length = 4 + held.readUInt32BE();
    connection.write(held.subarray(0, length));
    held = held.subarray(length);
  }
});
