//! Where functions find packages that are not their own: layers, then the SDK, for `require` and for `import`.
//! It refuses to come before a function's own packages: it is asked only where Node's own search ended in nothing.

'use strict';

const { existsSync, readFileSync, statSync } = require('node:fs');
const nodeModule = require('node:module');
const { basename, delimiter, dirname } = require('node:path');
const { pathToFileURL } = require('node:url');
const { RUNTIME_MAJOR } = require('./generation.cjs');

const SDK_DIRECTORY = '/var/lang-sdk/node';

/** Sets NODE_PATH, unless the function has its own, and makes this process follow it. */
function setSearchPath(runtimeDirectory, taskRoot) {
  // AWS: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
  process.env.NODE_PATH ||= [
    `/opt/nodejs/node${RUNTIME_MAJOR}/node_modules`,
    '/opt/nodejs/node_modules',
    `${SDK_DIRECTORY}/node_modules`,
    runtimeDirectory,
    taskRoot,
  ].join(delimiter);
  nodeModule._initPaths();
  // From Node.js 22.15 on, and only there, a hook costs nothing; before, it is a thread of its own, started on need.
  if (nodeModule.registerHooks && importRoots().length > 0) nodeModule.registerHooks({ resolve: resolveInThread });
}

/** The folders whose `node_modules` NODE_PATH names, as far as they exist. */
function importRoots() {
  const directories = process.env.NODE_PATH.split(delimiter);
  return directories.filter((path) => basename(path) === 'node_modules' && existsSync(path)).map(dirname);
}

const parents = (roots) => roots.map((root) => pathToFileURL(`${root}/import`).href);

function isElsewhere(specifier, error) {
  return error?.code === 'ERR_MODULE_NOT_FOUND' && /^[^./#]/.test(specifier) && !specifier.includes(':');
}

function resolveInThread(specifier, context, nextResolve) {
  try {
    return nextResolve(specifier, context);
  } catch (error) {
    if (!isElsewhere(specifier, error)) throw error;
    for (const parentURL of parents(importRoots())) {
      try {
        return nextResolve(specifier, { ...context, parentURL });
      } catch (other) {
        if (!isElsewhere(specifier, other)) throw other;
      }
    }
    throw error;
  }
}

/** The same for a thread of hooks, which is where Node.js 20 runs this module's `resolve` once it is registered. */
async function resolve(specifier, context, nextResolve) {
  try {
    return await nextResolve(specifier, context);
  } catch (error) {
    if (!isElsewhere(specifier, error)) throw error;
    for (const parentURL of parents(importRoots())) {
      try {
        return await nextResolve(specifier, { ...context, parentURL });
      } catch (other) {
        if (!isElsewhere(specifier, other)) throw other;
      }
    }
    throw error;
  }
}

let registered = false;

/** To be called before the function's file is loaded. */
function prepareImports(path) {
  if (nodeModule.registerHooks || registered || importRoots().length === 0) return;
  // The thread takes longer to start than all of the runtime; a file that imports nothing is spared it.
  if (!statSync(path).isFile() || !/\bimport\b/.test(readFileSync(path, 'utf8'))) return;
  registered = true;
  nodeModule.register(pathToFileURL(__filename).href);
}

/** Says in the function's log how to install the SDK, or more of it, when it was for want of that that loading failed. */
function hintAtMissingSdk(error) {
  const missing = /Cannot find (?:module|package) '((?:@aws-sdk|@smithy)\/[^/']+)/.exec(error?.message);
  if (missing === null) return;
  const install = `hearth runtimes install nodejs${sdkIsInstalled() ? ` --package ${missing[1]}` : ''}`;
  const what = sdkIsInstalled() ? `The package ${missing[1]}` : 'The AWS SDK for JavaScript';
  console.error(
    `${what} is not installed on this server: run \`${install}\`, or add the package to the function or to one of its layers.`,
  );
}

function sdkIsInstalled() {
  return importRoots().some((root) => existsSync(`${root}/node_modules/@aws-sdk/client-lambda`));
}

module.exports = { SDK_DIRECTORY, setSearchPath, resolve, prepareImports, hintAtMissingSdk };
