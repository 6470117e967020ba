//! What Node.js functions may do, as a table: their files, the events they get, and what must be posted for them.
//! Every case is run through our runtime and compared with what stands here; where AWS's own client can be installed it
//! is run through that too, and the two must not differ. It refuses to hold code of the runtimes: that is elsewhere.

import { NEVER, REQUEST_ID, event } from './runtime-api.mjs';

const RESPONSE = `invocation/${REQUEST_ID}/response`;
const ERROR = `invocation/${REQUEST_ID}/error`;
const INIT_ERROR = 'init/error';

/** A response whose body is this text, or any when it is undefined. */
const responds = (body) => ({ path: RESPONSE, body });
/** An error with these fields in its body. */
const fails = (errorType, errorMessage) => ({ path: ERROR, errorType, errorMessage });
const failsInit = (errorType, errorMessage) => ({ path: INIT_ERROR, errorType, errorMessage });

// The two generations of AWS's runtimes, and what a case is run as unless it names one.
export const CALLBACKS = 'callbacks';
export const PROMISES = 'promises';
const BOTH = [CALLBACKS, PROMISES];

const JSON_LOGS = { AWS_LAMBDA_LOG_FORMAT: 'JSON' };

/**
 * `posts` are what must be posted; `stdout` are pieces that standard output must contain, times replaced by TIME;
 * `status` is the exit status, null for a process that goes on. `compared` is false where AWS's client has a mistake that
 * nobody can lean on.
 */
function test(name, files, posts, more = {}) {
  const all = typeof files === 'string' ? { 'app.mjs': files } : files;
  return { name, files: all, posts, events: [event()], handler: 'app.handler', generations: BOTH, status: null, stdout: [], compared: true, ...more };
}

const old = (name, files, posts, more) => test(name, files, posts, { generations: [CALLBACKS], ...more });
const recent = (name, files, posts, more) => test(name, files, posts, { generations: [PROMISES], ...more });
const cjs = (code) => ({ 'app.js': code });
const handler = (body) => `export const handler = async (event, context) => { ${body} };`;
const callback = (body) => cjs(`exports.handler = (event, context, callback) => { ${body} };`);

const RESULTS = [
  test('object', handler('return { a: [1, event.x, null], u: undefined };'), [responds('{"a":[1,"é😀",null]}')], {
    events: [event('{"x":"é😀"}')],
  }),
  test('undefined', handler(''), [responds('null')]),
  test('null', handler('return null;'), [responds('null')]),
  test('string', handler('return "a\\u2028\\u0000b";'), [responds('"a\u2028\\u0000b"')]),
  test('to_json', handler('return { toJSON: () => "own" };'), [responds('"own"')]),
  test('not_a_number', handler('return [NaN, 1/0];'), [responds('[null,null]')]),
  test('several', 'let n = 0; export const handler = async () => ++n;', [responds('1'), responds('2'), responds('3')], {
    events: [event(), event(), event()],
  }),
  test('large', handler('return event + event;'), [responds(`"${'x'.repeat(2000000)}"`)], {
    events: [event(`"${'x'.repeat(1000000)}"`)],
  }),
  test('thenable', 'export const handler = () => ({ then: (resolve) => resolve(4) });', [responds('4')]),
  old('circle', handler('const a = {}; a.a = a; return a;'), [fails('Error', 'Unable to stringify response body')]),
  recent('circle', handler('const a = {}; a.a = a; return a;'), [
    fails('Runtime.JSONStringifyError', 'Unable to stringify response body'),
  ]),
  test('big_integer', handler('return 1n;'), [{ path: ERROR }]),
  test('a_function', handler('return () => 1;'), [fails('TypeError', 'Wrong arguments')]),
  old('synchronous', 'export const handler = () => 5;', [responds('null')]),
  recent('synchronous', 'export const handler = () => 5;', [responds('5')]),
  test('event', handler('return event;'), [responds('[1,{"b":2}]')], { events: [event('[1,{"b":2}]')] }),
  test('own_promise', 'export const handler = () => new Promise((r) => setTimeout(() => r(6), 20));', [responds('6')]),
];

const CALLBACK_CASES = [
  old('callback', callback('callback(null, { a: 1 });'), [responds('{"a":1}')]),
  old('callback_twice', callback('callback(null, 1); callback(null, 2);'), [responds('1')]),
  old('callback_error', callback('callback(new TypeError("bad"));'), [fails('TypeError', 'bad')]),
  old('callback_text', callback('callback("bad");'), [fails('string', 'bad')]),
  old('callback_waits', callback('setTimeout(() => console.log("late"), 50); callback(null, 1);'), [responds('1')], {
    stdout: ['INFO\tlate\n'],
  }),
  old(
    'callback_does_not_wait',
    callback('context.callbackWaitsForEmptyEventLoop = false; setTimeout(() => console.log("late"), 300); callback(null, 1);'),
    [responds('1')],
  ),
  old('callback_later', callback('setTimeout(() => callback(null, 2), 20);'), [responds('2'), responds('2')], {
    events: [event(), event()],
  }),
  old('callback_never', callback(''), [responds('null')]),
  old('callback_never_with_work', callback('setTimeout(() => {}, 30);'), [responds('null')]),
  old('callback_circle', callback('const a = {}; a.a = a; context.callbackWaitsForEmptyEventLoop = false; callback(null, a);'), [
    fails('Error', 'Unable to stringify response body'),
  ]),
  old('succeed', callback('setTimeout(() => {}, 300); context.succeed(3);'), [responds('3')]),
  old('done', callback('context.done(null, 4);'), [responds('4')]),
  old('done_error', callback('context.done(new Error("d"));'), [fails('Error', 'd')]),
  old('fail', callback('context.fail(new RangeError("f"));'), [fails('RangeError', 'f')]),
  old('fail_nothing', callback('context.fail();'), [fails('string', 'handled')]),
  old('callback_throws', callback('throw new Error("t");'), [fails('Error', 't')]),
  old('uncaught', callback('setTimeout(() => { throw new TypeError("later"); }, 10);'), [fails('TypeError', 'later')], {
    status: 129,
    stdout: ['ERROR\tUncaught Exception \t{"errorType":"TypeError","errorMessage":"later"'],
  }),
  old('unhandled', callback('Promise.reject(new Error("lost")); setTimeout(() => {}, 100);'), [
    fails('Runtime.UnhandledPromiseRejection', 'Error: lost'),
  ], { status: 128, stdout: ['ERROR\tUnhandled Promise Rejection \t{"errorType":"Runtime.UnhandledPromiseRejection"'] }),
  recent('callback', callback('callback(null, 1);'), [{ path: INIT_ERROR, errorType: 'Runtime.CallbackHandlerDeprecated' }], {
    status: 1,
  }),
  recent('uncaught', handler('setTimeout(() => { throw new TypeError("later"); }, 10); await new Promise(() => {});'), [], {
    status: 1,
  }),
  recent('unhandled', handler('Promise.reject(new Error("lost")); await new Promise((r) => setTimeout(r, 100));'), [], {
    status: 1,
  }),
];

const CLIENT_CONTEXT = JSON.stringify({ client: { app_title: 't' }, custom: { é: [1] }, env: { locale: 'de' } });
const CONTEXT = [
  test('context', handler('return [context, Object.keys(context), typeof context.getRemainingTimeInMillis()];'), [responds()]),
  test('client_context', handler('return [context.clientContext, context.identity, context.tenantId];'), [responds()], {
    events: [
      event('{}', {
        'Lambda-Runtime-Client-Context': Buffer.from(CLIENT_CONTEXT).toString('latin1'),
        'Lambda-Runtime-Cognito-Identity': '{"cognitoIdentityId":"a","cognitoIdentityPoolId":"b"}',
        'Lambda-Runtime-Aws-Tenant-Id': 'blue',
      }),
    ],
  }),
  test('trace_id', handler('return process.env._X_AMZN_TRACE_ID ?? "none";'), [
    responds('"Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"'),
    responds('"none"'),
  ], { events: [event(), event('{}', { 'Lambda-Runtime-Trace-Id': null })] }),
  old('over_time', handler('return context.getRemainingTimeInMillis() < 0;'), [responds('true')], {
    events: [event('{}', { 'Lambda-Runtime-Deadline-Ms': '1000' })],
  }),
  recent('invoke_store', handler(`
    const store = awslambda.InvokeStore;
    let refusal; try { store.set(Symbol.for('_AWS_LAMBDA_REQUEST_ID'), 1); } catch (error) { refusal = error.message; }
    store.set('mine', 1);
    return [store.getRequestId(), store.getXRayTraceId(), store.hasContext(), store.get('mine'), refusal];`), [responds()]),
  old('bad_event', handler('return 1;'), [{ path: ERROR, errorType: 'SyntaxError' }], { events: [event('{')] }),
  old('bad_client_context', handler('return 1;'), [{ path: ERROR, errorType: 'Error' }], {
    events: [event('{}', { 'Lambda-Runtime-Client-Context': '{' })],
  }),
];

const ERRORS = [
  test('throws', 'function inner() { throw new RangeError("no\\ngood"); }\nexport const handler = async () => inner();', [
    fails('RangeError', 'no\ngood'),
  ], { stdout: ['ERROR\tInvoke Error \t{"errorType":"RangeError","errorMessage":"no\\ngood","stack":["RangeError: no","good",'] }),
  test('throws_synchronously', 'export const handler = () => { throw new Error("now"); };', [fails('Error', 'now')]),
  test('throws_text', handler('throw "words";'), [fails('string', 'words')]),
  test('throws_number', handler('throw 5;'), [fails('number', '5')]),
  test('throws_object', handler('throw { a: 1 };'), [fails('object', '[object Object]')]),
  test('throws_undefined', handler('throw undefined;'), [{ path: ERROR }]),
  test('throws_null', handler('throw null;'), [{ path: ERROR }]),
  old('throws_bare', handler('throw Object.create(null);'), [fails('TypeError', 'Cannot convert object to primitive value')]),
  recent('throws_bare', handler('throw Object.create(null);'), [], { status: 1 }),
  test('throws_like_an_error', handler('throw { name: "N", message: "m", stack: "N: m\\n at x" };'), [{ path: ERROR }]),
  test('throws_with_fields', handler('throw Object.assign(new Error("x"), { code: "E1", statusCode: 404, cause: new Error("y") });'), [
    fails('Error', 'x'),
  ]),
  test('throws_own', 'class Own extends Error { constructor(m) { super(m); this.name = "Own"; } }\n' + handler('throw new Own("o");'), [
    fails('Own', 'o'),
  ]),
  test('throws_class', 'class Quiet extends Error {}\n' + handler('throw new Quiet("q");'), [fails('Error', 'q')], {
    environment: JSON_LOGS,
  }),
  test('throws_delete', handler('throw new Error("a\\x7fb");'), [fails('Error', 'a%7Fb')]),
  test('throws_circle', handler('const e = new Error("c"); e.self = e; throw e;'), [fails('Error', 'c')]),
  test('throws_json', handler('throw new TypeError("j");'), [fails('TypeError', 'j')], {
    environment: JSON_LOGS,
    stdout: [`{"timestamp":"TIME","level":"ERROR","requestId":"${REQUEST_ID}","message":{"errorType":"TypeError","errorMessage":"j"`],
  }),
  test('exits', handler('process.exit(7);'), [], { status: 7 }),
  test('too_large', handler('return 1;'), [responds('1')], { events: [event('{}', {}, 413)] }),
];

const INIT = [
  old('no_module', '', [failsInit('Runtime.ImportModuleError', "Error: Cannot find module 'nope'\nRequire stack:\n- INDEX")], {
    handler: 'nope.handler',
    status: 129,
    stdout: ['TIME\tundefined\tERROR\tUncaught Exception \t{"errorType":"Runtime.ImportModuleError"'],
  }),
  recent('no_module', '', [failsInit('Runtime.ImportModuleError', "Error: Cannot find module 'nope'\nRequire stack:\n- INDEX")], {
    handler: 'nope.handler',
    status: 1,
    stdout: ['TIME\t-\tERROR\tInit Error \t{"errorType":"Runtime.ImportModuleError"'],
  }),
  old('no_dependency', cjs('require("nowhere");'), [
    failsInit('Runtime.ImportModuleError', "Error: Cannot find module 'nowhere'\nRequire stack:\n- CODE/app.js\n- INDEX"),
  ], { status: 129 }),
  recent('no_dependency', cjs('require("nowhere");'), [{ path: INIT_ERROR, errorType: 'Runtime.ImportModuleError' }], { status: 1 }),
  old('no_import', 'import "nowhere";', [failsInit('Error', "Cannot find package 'nowhere' imported from CODE/app.mjs")], { status: 129 }),
  recent('no_import', 'import "nowhere";', [failsInit('Error', "Cannot find package 'nowhere' imported from CODE/app.mjs")], { status: 1 }),
  old('no_handler', '', [failsInit('Runtime.HandlerNotFound', 'app.handler is undefined or not exported')], { status: 129 }),
  recent('no_handler', '', [failsInit('Runtime.HandlerNotFound', 'app.handler is undefined or not exported')], { status: 1 }),
  old('no_function', 'export const handler = 5;', [failsInit('Runtime.HandlerNotFound', 'app.handler is not a function')], { status: 129 }),
  recent('no_function', 'export const handler = 5;', [failsInit('Runtime.HandlerNotFound', 'app.handler is not a function')], { status: 1 }),
  old('malformed', '', [failsInit('Runtime.MalformedHandlerName', 'Bad handler')], { handler: 'app', status: 129 }),
  recent('malformed', '', [failsInit('Runtime.MalformedHandlerName', 'Bad handler')], { handler: 'app', status: 1 }),
  old('upwards', '', [{ path: INIT_ERROR, errorType: 'Runtime.MalformedHandlerName' }], { handler: '../app.handler', status: 129 }),
  old('syntax', cjs('exports.handler = async ( => 1;'), [
    failsInit('Runtime.UserCodeSyntaxError', "SyntaxError: Unexpected token '=>'"),
  ], { status: 129 }),
  recent('syntax', 'export const handler = async ( => 1;', [
    failsInit('Runtime.UserCodeSyntaxError', "SyntaxError: Unexpected token '=>'"),
  ], { status: 1 }),
  old('throws_at_import', 'throw new Error("early");', [failsInit('Error', 'early')], { status: 129 }),
  recent('throws_at_import', 'throw new Error("early");', [failsInit('Error', 'early')], { status: 1 }),
  old('throws_text_at_import', 'throw "early";', [failsInit('string', 'early')], { status: 129 }),
  old('throws_json_at_import', 'throw new Error("early");', [failsInit('Error', 'early')], { status: 129, environment: JSON_LOGS }),
  recent('throws_json_at_import', 'throw new Error("early");', [failsInit('Error', 'early')], { status: 1, environment: JSON_LOGS }),
  old('rejects_at_import', 'Promise.reject(new Error("lost")); await new Promise((r) => setTimeout(r, 50));', [
    failsInit('Runtime.UnhandledPromiseRejection', 'Error: lost'),
  ], { status: 128 }),
  old('hangs_at_import', 'await new Promise(() => {});', [], { status: 13 }),
  recent('hangs_at_import', 'await new Promise(() => {});', [], { status: 0 }),
  old('hangs', handler('await new Promise(() => {});'), [responds('null')]),
  recent('hangs', handler('await new Promise(() => {});'), [], { status: 0 }),
  old('late_error', `let n = 0; export const handler = async () => { if (n++ === 0) setTimeout(() => { throw new Error("late"); }, 5);
      else await new Promise((r) => setTimeout(r, 100)); return n; };`, [responds('1'), fails('Error', 'late')], {
    events: [event(), event()],
    status: 129,
  }),
  old('late_error_while_waiting', 'export const handler = async () => { setTimeout(() => { throw new Error("late"); }, 50); };', [
    responds('null'),
    fails('Error', 'late'),
  ], { events: [event(), NEVER], status: 129 }),
  old('odd_error_names', handler('const e = new Error("x"); e.name = "a\\nb\\u0100c"; throw e;'), [fails('a\nb\u0100c', 'x')]),
  old('odd_error_names_at_import', 'const e = new Error("x"); e.name = "a\\nb\\u0100c"; throw e;', [{ path: INIT_ERROR }], {
    status: 129,
    compared: false,
  }),
  test('exits_at_import', 'process.exit(5);', [], { status: 5 }),
  test('commonjs', cjs('exports.handler = async () => [typeof require, typeof module, __filename.endsWith("app.js")];'), [
    responds('["object","object",true]'.replace('"object","object"', '"function","object"')),
  ]),
  test('commonjs_main', cjs('exports.handler = async () => [require.main, process.argv.length];'), [responds('[null,2]')]),
  test('cjs', { 'app.cjs': 'exports.handler = async () => 1;' }, [responds('1')]),
  test('module_package', { 'app.js': 'export const handler = async () => 2;', 'package.json': '{"type":"module"}' }, [responds('2')]),
  test('module_package_above', { 'src/app.js': 'export const handler = async () => 3;', 'package.json': '{"type":"module"}' }, [
    responds('3'),
  ], { handler: 'src/app.handler' }),
  test('nested_folders', { 'a/b/c.js': 'exports.run = async () => 4;' }, [responds('4')], { handler: 'a/b/c.run' }),
  test('nested_export', 'export const one = { two: { three: async () => 5 } };', [responds('5')], { handler: 'app.one.two.three' }),
  test('module_exports_nested', cjs('module.exports = { one: { two: async () => 6 } };'), [responds('6')], { handler: 'app.one.two' }),
  recent('default_export', 'export default { handler: async () => 7 };', [responds('7')]),
  test('top_level_await', 'const x = await Promise.resolve(8); export const handler = async () => x;', [responds('8')]),
  test('package', { 'node_modules/inner/index.js': 'exports.run = async () => 9;' }, [responds('9')], { handler: 'inner.run' }),
  test('own_dependency', {
    'app.mjs': 'import x from "inner"; export const handler = async () => x;',
    'node_modules/inner/index.js': 'module.exports = 10;',
  }, [responds('10')]),
  test('js_before_mjs', { 'app.js': 'exports.handler = async () => "js";', 'app.mjs': 'export const handler = async () => "mjs";' }, [
    responds('"js"'),
  ]),
];

const LOG_CODE = `
console.log('early');
export const handler = async () => {
  console.log();
  console.log('a', 1, { b: [1, { c: 2 }] }, undefined);
  console.log('%s is %d', 'x', 5, 'more');
  console.log('two\\nlines');
  console.info({ i: 1 });
  console.warn('w'); console.error(new Error('e')); console.error('with', new TypeError('t'));
  console.error(new Error('first'), 'then');
  console.debug('d'); console.trace('t'); console.fatal('f');
  console.log(Symbol('s')); console.log({ big: 1n }); console.log([new Error('in')]);
  const circle = {}; circle.self = circle; console.log(circle);
  process.stdout.write('raw\\n');
};`;
const LOGS = [
  test('logs', LOG_CODE, [responds('null')], {
    stdout: [`TIME\t${REQUEST_ID}\tINFO\ttwo\rlines\n`, `TIME\t${REQUEST_ID}\tINFO\ta 1 { b: [ 1, { c: 2 } ] } undefined\n`, 'raw\n'],
  }),
  test('logs_level', LOG_CODE, [responds('null')], { environment: { AWS_LAMBDA_LOG_LEVEL: 'warn' } }),
  test('logs_unknown_level', LOG_CODE, [responds('null')], { environment: { AWS_LAMBDA_LOG_LEVEL: 'LOUD' } }),
  test('logs_json', LOG_CODE, [responds('null')], {
    environment: JSON_LOGS,
    stdout: [`{"timestamp":"TIME","level":"INFO","requestId":"${REQUEST_ID}","message":{"i":1}}\n`],
  }),
  test('logs_json_level', LOG_CODE, [responds('null')], { environment: { ...JSON_LOGS, AWS_LAMBDA_LOG_LEVEL: 'ERROR' } }),
  test('logs_frames', LOG_CODE, [responds('null')], { environment: { _LAMBDA_TELEMETRY_LOG_FD: '1' }, frames: true }),
  test('logs_json_frames', LOG_CODE, [responds('null')], {
    environment: { ...JSON_LOGS, _LAMBDA_TELEMETRY_LOG_FD: '1' },
    frames: true,
  }),
];

const stream = (body, options = '') => `export const handler = awslambda.streamifyResponse(async (event, stream, context) => { ${body} }${options});`;
const streamed = (body, contentType = 'application/octet-stream', errorType = undefined) => ({
  path: RESPONSE,
  body,
  contentType,
  streaming: true,
  errorType,
});
const STREAMS = [
  test('stream', stream('stream.write("a"); stream.write(Buffer.from("b")); stream.write({ c: 1 }); stream.end();'), [
    streamed('ab{"c":1}'),
  ]),
  test('stream_twice', stream('stream.end(context.awsRequestId.slice(0, 2));'), [streamed('84'), streamed('84')], {
    events: [event(), event()],
  }),
  test('stream_content_type', stream('stream.setContentType("text/html"); stream.write("x"); stream.end();'), [
    streamed('x', 'text/html'),
  ]),
  test('stream_metadata', stream(
    'const s = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { a: "b" }, cookies: ["c=d"] }); s.write("x"); s.end();',
  ), [
    streamed(
      '{"statusCode":201,"headers":{"a":"b"},"cookies":["c=d"]}' + '\0'.repeat(8) + 'x',
      'application/vnd.awslambda.http-integration-response',
    ),
  ]),
  test('stream_pipeline', 'import { pipeline } from "node:stream/promises"; import { Readable } from "node:stream";\n' +
    stream('await pipeline(Readable.from(["p", "q"]), stream);'), [streamed('pq')]),
  test('stream_large', stream(
    'for (let i = 0; i < 50; i++) if (!stream.write("x".repeat(100000))) await new Promise((r) => stream.once("drain", r)); stream.end();',
    ', { highWaterMark: 1024 }',
  ), [streamed('x'.repeat(5000000))]),
  test('stream_fails_at_once', stream('throw new TypeError("bad");'), [streamed('', undefined, 'TypeError')]),
  test('stream_fails_later', stream('stream.write("some"); throw new TypeError("bad");'), [streamed('some', undefined, 'TypeError')]),
  test('stream_odd_error_name', stream('const e = new Error("x"); e.name = "a\\nb"; throw e;'), [streamed('', undefined, 'a?b')], {
    compared: false,
  }),
  test('stream_returns', stream('stream.end("x"); return 5;'), [streamed('x')], {
    stdout: ['WARN\tStreaming handlers ignore return values.\n'],
  }),
  test('stream_too_late', stream('stream.write("x"); stream.setContentType("text/html");'), [
    streamed('x', undefined, 'Runtime.InvalidStreamingOperation'),
  ]),
  test('stream_without_promise', 'export const handler = awslambda.streamifyResponse((event, stream) => { stream.write("x"); });', [
    { path: RESPONSE, body: 'x', streaming: true },
  ]),
  old('stream_with_work', stream('setTimeout(() => console.log("late"), 40); stream.end("x");'), [streamed('x'), streamed('x')], {
    events: [event(), event()],
  }),
  test('stream_odd_kind', 'export const handler = async () => 1; handler[Symbol.for("aws.lambda.runtime.handler.streaming")] = "request";', [
    failsInit('Runtime.MalformedStreamingHandler', 'Only response streaming is supported.'),
  ], { status: undefined, compared: false }),
  test('no_global', 'export const handler = async () => typeof awslambda;', [responds('"undefined"')], {
    environment: { AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA: '1' },
  }),
];

export const CASES = [...RESULTS, ...CALLBACK_CASES, ...CONTEXT, ...ERRORS, ...INIT, ...LOGS, ...STREAMS];
