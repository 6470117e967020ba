//! What SNS signs, through AWS's own validator of its messages: notifications to endpoints and queues, and confirmations.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { after, test } from 'node:test';
import { eventually, MessageValidator, settings, sns } from './clients.mjs';
import { queuesOf, subscribers } from './messaging.mjs';

const https = createRequire(import.meta.url)('node:https');
const http = createRequire(import.meta.url)('node:http');
const { endpoint } = settings();
const AWS = 'https://sns.us-east-1.amazonaws.com';
const topics = new sns.SNSClient(settings());
const { queueFor, arrived, deleteQueue } = subscribers(queuesOf());
after(() => topics.destroy());

const topic = async (Name) => (await topics.send(new sns.CreateTopicCommand({ Name }))).TopicArn;

/** An endpoint, and what it was sent. */
async function listener() {
  const posted = [];
  const server = createServer((request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
      posted.push({ headers: request.headers, body: Buffer.concat(pieces).toString() });
      response.end();
    });
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  after(() => server.close());
  return { posted, url: `http://127.0.0.1:${server.address().port}/in` };
}

/** Has the validator check a message, as if what it says of AWS's certificate were said of ours. */
async function validate(text) {
  const message = JSON.parse(text);
  const url = message.SigningCertURL;
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/SimpleNotificationService-[0-9a-f]{32}\.pem$/);
  message.SigningCertURL = AWS + new URL(url).pathname;
  const { get } = https;
  https.get = (asked, answered) => http.get(asked.replace(AWS, endpoint), answered);
  try {
    return await new Promise((resolve, reject) => {
      new MessageValidator().validate(message, (error, valid) => (error ? reject(error) : resolve(valid)));
    });
  } finally {
    https.get = get;
  }
}

test('an endpoint confirms, and what it gets is as AWS signs it', async () => {
  const TopicArn = await topic('js-http');
  for (const version of ['1', '2']) {
    await topics.send(new sns.SetTopicAttributesCommand({
      TopicArn, AttributeName: 'SignatureVersion', AttributeValue: version,
    }));
    const { posted, url } = await listener();
    const asked = { TopicArn, Protocol: 'http', Endpoint: url };
    const { SubscriptionArn: pending } = await topics.send(new sns.SubscribeCommand(asked));
    assert.equal(pending, 'pending confirmation');
    const [confirmation] = await eventually(() => posted.length && posted);
    assert.equal(confirmation.headers['x-amz-sns-message-type'], 'SubscriptionConfirmation');
    const { Token, SignatureVersion } = await validate(confirmation.body);
    assert.equal(SignatureVersion, version);
    const { SubscriptionArn } = await topics.send(new sns.ConfirmSubscriptionCommand({ TopicArn, Token }));
    const Subject = 'Über uns';
    await topics.send(new sns.PublishCommand({ TopicArn, Subject, Message: 'two\nlines and ünïcode' }));
    await eventually(() => posted.length > 1);
    const notification = await validate(posted[1].body);
    assert.equal(notification.Message, 'two\nlines and ünïcode');
    notification.Message = 'another';
    await assert.rejects(validate(JSON.stringify({ ...JSON.parse(posted[1].body), Message: 'another' })), /signature is invalid/);
    await topics.send(new sns.UnsubscribeCommand({ SubscriptionArn }));
  }
  await topics.send(new sns.DeleteTopicCommand({ TopicArn }));
});

test('a queue gets what its filter lets through, signed', async () => {
  const TopicArn = await topic('js-queue');
  const target = await queueFor(TopicArn, 'js-topic');
  await topics.send(new sns.SubscribeCommand({
    TopicArn, Protocol: 'sqs', Endpoint: target.QueueArn, Attributes: { FilterPolicy: '{"kind":["order"]}' },
  }));
  for (const kind of ['offer', 'order']) {
    const MessageAttributes = { kind: { DataType: 'String', StringValue: kind } };
    await topics.send(new sns.PublishCommand({ TopicArn, Message: kind, MessageAttributes }));
  }
  const [{ Body }] = await arrived(target, 1);
  assert.equal((await validate(Body)).Message, 'order');
  await topics.send(new sns.DeleteTopicCommand({ TopicArn }));
  await deleteQueue(target);
});
