//! Roles that services assume, made through IAM's query protocol. The SDK for IAM is larger than all the others together,
//! and all that is wanted of it is two calls: they are signed here.

import { createHash, createHmac } from 'node:crypto';
import { settings } from './clients.mjs';

const hash = (text) => createHash('sha256').update(text).digest('hex');
const hmac = (key, text) => createHmac('sha256', key).update(text).digest();

/** Calls an action of IAM. */
async function call(Action, parameters) {
  const { endpoint, region, credentials } = settings();
  const body = new URLSearchParams({ Action, Version: '2010-05-08', ...parameters }).toString();
  const time = `${new Date().toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;
  const scope = [time.slice(0, 8), region, 'iam', 'aws4_request'];
  const named = 'host;x-amz-date';
  const request = `POST\n/\n\nhost:${new URL(endpoint).host}\nx-amz-date:${time}\n\n${named}\n${hash(body)}`;
  const key = scope.reduce(hmac, `AWS4${credentials.secretAccessKey}`);
  const signature = hmac(key, `AWS4-HMAC-SHA256\n${time}\n${scope.join('/')}\n${hash(request)}`).toString('hex');
  const credential = `${credentials.accessKeyId}/${scope.join('/')}`;
  const headers = {
    'x-amz-date': time,
    'content-type': 'application/x-www-form-urlencoded',
    authorization: `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${named}, Signature=${signature}`,
  };
  const answer = await fetch(`${endpoint.replace(/\/$/, '')}/`, { method: 'POST', headers, body });
  if (!answer.ok) throw new Error(`${Action}: ${await answer.text()}`);
}

/** Makes a role that a service may assume, and that may do these actions; gives its ARN. */
export async function roleFor(Service, RoleName, Action) {
  const document = (statement) => JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', ...statement }] });
  const AssumeRolePolicyDocument = document({ Principal: { Service }, Action: 'sts:AssumeRole' });
  await call('CreateRole', { RoleName, AssumeRolePolicyDocument });
  const PolicyDocument = document({ Action, Resource: '*' });
  await call('PutRolePolicy', { RoleName, PolicyName: 'own', PolicyDocument });
  return `arn:aws:iam::000000000000:role/${RoleName}`;
}
