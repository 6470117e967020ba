//! Which of AWS's two generations of Node.js runtimes to be: with callbacks, or, from Node.js 24 on, with promises only.
//! It refuses to look at anything but the name of the runtime and, for want of one, the version of Node.js.

'use strict';

// AWS: https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html
const named = /^AWS_Lambda_nodejs(\d+)\.x$/.exec(process.env.AWS_EXECUTION_ENV ?? '');

const RUNTIME_MAJOR = Number(named ? named[1] : process.versions.node.split('.')[0]);
const PROMISES_ONLY = RUNTIME_MAJOR >= 24;

module.exports = { RUNTIME_MAJOR, PROMISES_ONLY };
