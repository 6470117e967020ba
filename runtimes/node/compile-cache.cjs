//! Has Node load modules from bytecode that was compiled once for all environments, where there is some. It refuses to do so where V8
//! measures coverage, which that would make less exact; and what a function says of Node's compile cache in its variables holds.

'use strict';

const { readdirSync } = require('node:fs');
const nodeModule = require('node:module');
const { cachedDataVersionTag } = require('node:v8');

const PLACE = '/var/lang-compile-cache';

/** To be called before the function's file is loaded. */
function takeBytecode() {
  if (process.env.NODE_V8_COVERAGE !== undefined) return;
  try {
    // Node names directories by this, too: with other flags of V8 it would find nothing there, and make copies of what it compiles.
    const tag = cachedDataVersionTag().toString(16).padStart(8, '0');
    if (readdirSync(PLACE).some((name) => name.includes(tag))) nodeModule.enableCompileCache(PLACE);
  } catch {
    // There is none.
  }
}

module.exports = { takeBytecode };
