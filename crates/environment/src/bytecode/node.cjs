//! Compiles the JavaScript of a package and of its layers, and of other packages what they name, as Node.js compiles it for its compile
//! cache, and writes to standard output, for each file of that cache: its path, a zero byte, the length in four bytes, and the contents.
//!
//! It refuses to run anything of what it compiles: what is loaded is told from the text. What it cannot compile it leaves out:
//! loading it will tell why.

'use strict';

const { readFileSync, readdirSync, realpathSync } = require('node:fs');
const nodeModule = require('node:module');
const { extname, join } = require('node:path');
const { fileURLToPath, pathToFileURL } = require('node:url');
// Node compiles nothing for its cache without running it, but for its own loaders.
const { internalBinding } = require('internal/test/binding');
const { defaultResolve } = require('internal/modules/esm/resolve');
const { compileSourceTextModule } = require('internal/modules/esm/utils');
const { compileFunctionForCJSLoader } = internalBinding('contextify');

/** So much source is compiled sooner than its bytecode is found. */
const LITTLE = 4 << 10;
/** What is compiled at most. Each start compiles the rest. */
const SOURCE_BYTES_MAX = 64 << 20;
const FILES_MAX = 10_000;

const ROOTS = ['/var/task', '/opt'];
const CACHE = '/tmp/cache';
const KINDS = new Map([
  ['.js', undefined],
  ['.cjs', 'commonjs'],
  ['.mjs', 'module'],
]);
const REQUIRED = /\brequire\s*\(\s*(["'`])([^"'`\n]+)\1/g;
const IMPORTED = /\b(?:from|import)\s*\(?\s*(["'`])([^"'`\n]+)\1/g;

/** The JavaScript below a directory but for packages, of which only what is named is loaded. */
function* own(directory) {
  let entries;
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch {
    return;
  }
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) {
      if (entry.name !== 'node_modules') yield* own(path);
    } else {
      yield path;
    }
  }
}

/** The files that a source names, as far as they are there. */
function* named(path, source) {
  const { resolve } = nodeModule.createRequire(path);
  const parentURL = pathToFileURL(path).href;
  const all = (pattern, find) =>
    [...source.matchAll(pattern)].map(([, , name]) => {
      try {
        return find(name);
      } catch {
        return undefined;
      }
    });
  yield* all(REQUIRED, resolve);
  yield* all(IMPORTED, (name) => {
    try {
      return fileURLToPath(defaultResolve(name, { parentURL }).url);
    } catch {
      // From a layer, or the SDK.
      return resolve(name);
    }
  });
}

/** What there is to compile: the package's own first. */
function collect() {
  const found = new Set();
  let left = SOURCE_BYTES_MAX;
  const add = (path) => {
    if (found.size >= FILES_MAX || path === undefined || !KINDS.has(extname(path))) return;
    try {
      found.add(realpathSync(path));
    } catch {
      // A link that leads nowhere.
    }
  };
  for (const root of ROOTS) for (const path of own(root)) add(path);
  // What is added meanwhile is visited too.
  for (const path of found) {
    const source = text(path);
    left -= source.length;
    if (left < 0) found.delete(path);
    else for (const other of named(path, source)) add(other);
  }
  return SOURCE_BYTES_MAX - left < LITTLE ? [] : [...found];
}

function text(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** As `package.json` says of files whose names do not. */
function kind(path) {
  const told = KINDS.get(extname(path));
  if (told !== undefined) return told;
  try {
    return JSON.parse(readFileSync(nodeModule.findPackageJSON(pathToFileURL(path)), 'utf8')).type;
  } catch {
    return undefined;
  }
}

function compile(path) {
  const [source, told] = [text(path), kind(path)];
  const asFunction = () => compileFunctionForCJSLoader(source, path, false, false);
  const asModule = () => compileSourceTextModule(pathToFileURL(path).href, source, 'user');
  // Node tells by the syntax what nothing else tells.
  const ways = [told !== 'module' && asFunction, told !== 'commonjs' && asModule];
  for (const way of ways.filter(Boolean)) {
    try {
      way();
      return;
    } catch {
      // It is of the other kind, or no JavaScript.
    }
  }
}

function write() {
  for (const directory of readdirSync(CACHE)) {
    for (const file of readdirSync(join(CACHE, directory))) {
      const contents = readFileSync(join(CACHE, directory, file));
      const head = Buffer.from(`${directory}/${file}\0....`);
      head.writeUInt32BE(contents.length, head.length - 4);
      process.stdout.write(head);
      process.stdout.write(contents);
    }
  }
}

const [major] = process.versions.node.split('.');
const packages = [`/opt/nodejs/node${major}/node_modules`, '/opt/nodejs/node_modules', '/var/lang-sdk/node/node_modules'];
process.env.NODE_PATH = packages.join(':');
nodeModule._initPaths();
const files = collect();
if (files.length > 0) {
  // Only what modules do at once, as Node itself would: V8 loses names in stack traces when it compiles all functions beforehand.
  nodeModule.enableCompileCache(CACHE);
  files.forEach(compile);
  nodeModule.flushCompileCache();
  write();
}
