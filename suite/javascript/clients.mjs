//! Clients of the AWS SDK for JavaScript for the server that HEARTH_ENDPOINT names, and packages to deploy on it.
//! The SDK lies in the build directory, HEARTH_NODE_MODULES, so that nothing is installed into the checkout.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';

const { HEARTH_ENDPOINT: endpoint, HEARTH_NODE_MODULES: modules } = process.env;
if (!endpoint || !modules) throw new Error('run this with: cargo xtask test --only javascript');
const require = createRequire(join(modules, 'package.json'));

export const events = require('@aws-sdk/client-eventbridge');
export const lambda = require('@aws-sdk/client-lambda');
export const logs = require('@aws-sdk/client-cloudwatch-logs');
export const scheduler = require('@aws-sdk/client-scheduler');
export const sns = require('@aws-sdk/client-sns');
export const MessageValidator = require('sns-validator');
export const sqs = require('@aws-sdk/client-sqs');
export const sts = require('@aws-sdk/client-sts');

/** Settings of a client; twelve digits as the key make it the root of that account. */
export const settings = (accessKeyId = 'test', region = 'us-east-1') => ({
  endpoint,
  region,
  credentials: { accessKeyId, secretAccessKey: 'test' },
  maxAttempts: 1,
});

/** A zip of `{name: text}`: local headers, the directory, and its end. */
export function zipOf(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const [name, text] of Object.entries(files)) {
    const [title, body] = [Buffer.from(name), Buffer.from(text)];
    const packed = deflateRawSync(body);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0); // version needed
    common.writeUInt16LE(8, 4); // deflate
    common.writeUInt32LE(crc32(body), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(body.length, 18);
    common.writeUInt16LE(title.length, 22);
    parts.push(Buffer.from('PK\x03\x04'), common, title, packed);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((0o100644 << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x03', 'latin1'), common, tail, title);
    offset += 30 + title.length + packed.length;
  }
  const count = Object.keys(files).length;
  const end = Buffer.alloc(18);
  end.writeUInt16LE(count, 4);
  end.writeUInt16LE(count, 6);
  end.writeUInt32LE(Buffer.concat(directory).length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, ...directory, Buffer.from('PK\x05\x06'), end]);
}

/** Waits until `condition` gives something true, and gives that. */
export async function eventually(condition, seconds = 20) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${condition}`);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}
