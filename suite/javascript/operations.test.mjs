//! The list of operations against this suite: every operation of these services is called through the SDK, or has a
//! reason why not.
//!
//! It refuses to judge the tests: it sees that they use the operation's command.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as clients from './clients.mjs';

/** The services, and the names that `clients.mjs` gives the SDK's modules of them. */
const SERVICES = { events: 'events', scheduler: 'scheduler', sns: 'sns', sqs: 'sqs' };

/** Operations that no test here calls: `service.Operation`, and why. */
const EXCEPTIONS = {};

/** The operations that a section of `operations.toml` lists under `operations`. */
function operationsOf(service) {
  const list = readFileSync(new URL('../../crates/api/operations.toml', import.meta.url), 'utf8');
  const section = list.split(/^(?=\[)/m).find((text) => text.startsWith(`[service.${service}]\n`));
  const [, operations] = section?.match(/^operations = \[([^\]]*)\]/m) ?? [];
  return [...(operations ?? '').matchAll(/"(\w+)"/g)].map(([, name]) => name);
}

const folder = new URL('.', import.meta.url);
const tests = readdirSync(folder).filter((name) => name.endsWith('.test.mjs'));
const text = tests.map((name) => readFileSync(new URL(name, folder), 'utf8')).join('\n');

for (const [service, name] of Object.entries(SERVICES)) {
  test(`every operation of ${service} is called, or there is a reason why not`, () => {
    const operations = operationsOf(service);
    assert.ok(operations.length > 10, `${operations.length} operations are listed`);
    const strange = operations.filter((operation) => !(`${operation}Command` in clients[name]));
    assert.deepEqual(strange, [], 'the SDK knows no such operations');
    const called = (operation) => new RegExp(`\\b${name}\\.${operation}Command\\b`).test(text);
    const excused = (operation) => EXCEPTIONS[`${service}.${operation}`]?.trim();
    const missing = operations.filter((operation) => !called(operation) && !excused(operation));
    assert.deepEqual(missing, [], 'no test calls these');
    const needless = operations.filter((operation) => called(operation) && excused(operation));
    assert.deepEqual(needless, [], 'these are called and need no reason');
  });
}

test('every exception is of an operation', () => {
  const known = Object.keys(SERVICES).flatMap((service) => operationsOf(service).map((name) => `${service}.${name}`));
  assert.deepEqual(Object.keys(EXCEPTIONS).filter((name) => !known.includes(name)), []);
});
