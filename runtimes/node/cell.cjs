//! A stem cell: a runtime that has started and knows of no function. It waits until it is told its environment variables, and is
//! then as if it had started with them. It refuses to leave anything of the cell behind.
//!
//! Before it waits it does once what its function will do: Node loads and compiles on first use what importing a module and
//! exchanging with the Runtime API take, which is most of what is left of a start.

'use strict';

const { once } = require('node:events');
const { closeSync, readSync, writeSync } = require('node:fs');
const { createServer } = require('node:net');
const { join } = require('node:path');
const { setImmediate } = require('node:timers/promises');
const { pathToFileURL } = require('node:url');
const { RuntimeApiClient } = require('./client.cjs');

const PIECE_BYTES = 65536;
const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}';

const isCell = () => process.env._HANDLER === undefined;

/** Does everything for the first time. What fails here is left to the function, for which it may not fail. */
async function rehearse() {
  const server = createServer((socket) => socket.once('data', () => socket.end(ANSWER)));
  try {
    await import(pathToFileURL(join(__dirname, 'rehearsal.mjs')).href);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = new RuntimeApiClient(`127.0.0.1:${server.address().port}`);
    const { body } = await client.next();
    await client.postInvocationResponse(JSON.stringify(JSON.parse(body)), 'rehearsal');
    await client.next();
    server.close();
    await once(server, 'close');
    // The client's end closes in the turn of the event loop after that.
    for (let turn = 0; turn < 2; turn += 1) await setImmediate();
  } catch {
    server.close();
  }
}

/** Waits, if this is a stem cell: it has no handler. To be called when all that needs no function has been loaded. */
function becomeFunction() {
  if (!isCell()) return;
  const line = Number(process.env._HEARTH_STEM);
  // Before it is known that we wait: the memory that the variables were in is written anew.
  for (const name of Object.keys(process.env)) delete process.env[name];
  writeSync(line, 'w');
  const block = readAll(line);
  closeSync(line);
  if (block === '') process.reallyExit(0);
  for (const entry of block.split('\0').slice(0, -1)) {
    const end = entry.indexOf('=');
    process.env[entry.slice(0, end)] = entry.slice(end + 1);
  }
  process.chdir(process.env.LAMBDA_TASK_ROOT);
}

function readAll(descriptor) {
  const pieces = [];
  for (;;) {
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    const length = readSync(descriptor, piece);
    if (length === 0) return Buffer.concat(pieces).toString('utf8');
    pieces.push(piece.subarray(0, length));
  }
}

module.exports = { becomeFunction, isCell, rehearse };
