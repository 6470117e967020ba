//! A stem cell: a runtime that has started and knows of no function. It waits until it is told its environment variables, and is
//! then as if it had started with them. It refuses to leave anything of the cell behind.

'use strict';

const { closeSync, readSync, writeSync } = require('node:fs');

const PIECE_BYTES = 65536;

/** Waits, if this is a stem cell: it has no handler. To be called when all that needs no function has been loaded. */
function becomeFunction() {
  if (process.env._HANDLER !== undefined) return;
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

module.exports = { becomeFunction };
