//! From the handler's name to the function: finds the module, loads it as CommonJS or ES module, walks to the export.
//! It refuses to run anything but the modules' own top level.

'use strict';

const { existsSync, readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { basename, dirname, join, resolve } = require('node:path');
const { pathToFileURL } = require('node:url');
const {
  CallbackHandlerDeprecated,
  HandlerNotFound,
  ImportModuleError,
  MalformedHandlerName,
  MalformedStreamingHandler,
  UserCodeSyntaxError,
} = require('./errors.cjs');
const { PROMISES_ONLY } = require('./generation.cjs');
const { prepareImports } = require('./search.cjs');

// AWS: the function is required from a file of this name, which stands in Node's "Require stack".
const requireUserModule = createRequire(join(__dirname, 'index.mjs'));

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');

function requireFile(path) {
  if (!existsSync(path)) return undefined;
  prepareImports(path);
  return requireUserModule(path);
}

async function importFile(path) {
  if (!existsSync(path)) return undefined;
  prepareImports(path);
  return import(pathToFileURL(path).href);
}

/** Whether the nearest package.json makes `.js` files ES modules. */
function inModulePackage(folder) {
  if (folder.endsWith('/node_modules')) return false;
  const manifest = join(folder, 'package.json');
  if (existsSync(manifest)) {
    try {
      return JSON.parse(readFileSync(manifest, 'utf8'))?.type === 'module';
    } catch (error) {
      console.warn(`${manifest} cannot be read, it will be ignored for ES module detection purposes.`, error);
      return false;
    }
  }
  return folder !== '/' && inModulePackage(dirname(folder));
}

/** As the runtimes up to Node.js 22 do: CommonJS is required, so that the module's exports are the object looked at. */
async function loadByKind(path) {
  const isModule = existsSync(`${path}.js`) && inModulePackage(dirname(path));
  return (
    requireFile(path) ||
    (isModule ? await importFile(`${path}.js`) : requireFile(`${path}.js`)) ||
    (await importFile(`${path}.mjs`)) ||
    requireFile(`${path}.cjs`)
  );
}

/** As the runtimes from Node.js 24 on do: everything is imported. */
async function loadByImport(path) {
  for (const extension of ['', '.js', '.mjs', '.cjs']) {
    const module = await importFile(path + extension);
    if (module) return module;
  }
  return undefined;
}

async function loadModule(taskRoot, moduleRoot, moduleName) {
  const path = resolve(taskRoot, moduleRoot, moduleName);
  try {
    const module = await (PROMISES_ONLY ? loadByImport(path) : loadByKind(path));
    if (module) return module;
    // Not a file of the function's: a package, perhaps one in a layer.
    const paths = [taskRoot, join(taskRoot, moduleRoot)];
    return requireUserModule(requireUserModule.resolve(moduleName, { paths }));
  } catch (error) {
    if (error instanceof SyntaxError) {
      const fault = new UserCodeSyntaxError(String(error));
      if (PROMISES_ONLY) fault.stack = error.stack;
      throw fault;
    }
    if (error?.code === 'MODULE_NOT_FOUND') throw new ImportModuleError(String(error));
    throw error;
  }
}

function walk(object, names) {
  return names.split('.').reduce((nested, name) => nested && nested[name], object);
}

function streamingOf(handler) {
  const value = handler[STREAMING];
  if (value === undefined || value === null || value === false) return false;
  if (value === 'response') return true;
  throw new MalformedStreamingHandler('Only response streaming is supported.');
}

function highWaterMarkOf(handler) {
  const mark = parseInt(handler[HIGH_WATER_MARK]);
  return Number.isNaN(mark) ? undefined : mark;
}

/** What marks a handler as streaming; it is `awslambda.streamifyResponse`. */
function streamifyResponse(handler, options) {
  handler[STREAMING] = 'response';
  if (typeof options?.highWaterMark === 'number') handler[HIGH_WATER_MARK] = parseInt(options.highWaterMark);
  return handler;
}

/**
 * Loads the function.
 * @returns the handler, whether it streams its response, and the streams' high water mark in bytes, if it set one
 */
async function loadHandler(taskRoot, name) {
  if (name.includes('..')) {
    throw new MalformedHandlerName(
      `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const last = basename(name);
  const moduleRoot = name.slice(0, name.indexOf(last));
  const split = /^([^.]*)\.(.*)$/.exec(last);
  if (!split) throw new MalformedHandlerName('Bad handler');
  const [, moduleName, path] = split;
  const module = await loadModule(taskRoot, moduleRoot, moduleName);
  const handler = walk(module, path) || (PROMISES_ONLY && walk(module.default, path));
  if (!handler) throw new HandlerNotFound(`${name} is undefined or not exported`);
  if (typeof handler !== 'function') throw new HandlerNotFound(`${name} is not a function`);
  const streaming = streamingOf(handler);
  if (PROMISES_ONLY && handler.length >= 3 && !streaming) {
    throw new CallbackHandlerDeprecated(
      'ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. ' +
        'You need to modify this function to use a supported handler signature to use Node.js 24 or later. ' +
        'For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.',
    );
  }
  return { handler, streaming, highWaterMark: highWaterMarkOf(handler) };
}

module.exports = { streamifyResponse, loadHandler };
