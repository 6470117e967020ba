//! SQS through the AWS SDK for JavaScript v3, which checks the digests of bodies itself: queues and their messages.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sqs } from './clients.mjs';
import { ACCOUNT, keeper, queuesOf, refused } from './messaging.mjs';

const client = queuesOf();
const { ask, attributes, create, arn, counts, receive } = keeper(client);
const [DENIED, NO_LEAVE] = ['AccessDenied', /is not authorized to perform: sqs:/i];
const ids = (entries) => entries?.map(({ Id }) => Id);

test('messages are sent, received and deleted', async () => {
  const QueueUrl = await create('js-standard');
  const MessageAttributes = {
    colour: { DataType: 'String', StringValue: 'blau & grün' },
    bytes: { DataType: 'Binary.raw', BinaryValue: new Uint8Array([0, 255]) },
    weight: { DataType: 'Number', StringValue: '1.5' },
  };
  const trace = 'Root=1-5759e988-bd862e3fe1be46a994272793';
  const sent = await ask(sqs.SendMessageCommand, {
    QueueUrl, MessageBody: 'hello', MessageAttributes,
    MessageSystemAttributes: { AWSTraceHeader: { DataType: 'String', StringValue: trace } },
  });
  assert.equal(sent.MD5OfMessageBody, '5d41402abc4b2a76b9719d911017c592');
  const [message, ...others] = await receive(QueueUrl, {
    WaitTimeSeconds: 5, MessageAttributeNames: ['All'], MessageSystemAttributeNames: ['All'],
  });
  assert.equal(others.length, 0);
  assert.equal(message.MessageId, sent.MessageId);
  assert.equal(message.Body, 'hello');
  assert.deepEqual(message.MessageAttributes, MessageAttributes);
  assert.equal(message.MD5OfMessageAttributes, sent.MD5OfMessageAttributes);
  assert.equal(message.Attributes.ApproximateReceiveCount, '1');
  assert.equal(message.Attributes.SenderId, ACCOUNT);
  assert.equal(message.Attributes.AWSTraceHeader, trace);
  assert.deepEqual(await counts(QueueUrl), [0, 1, 0]);
  assert.deepEqual(await receive(QueueUrl), []);
  await ask(sqs.DeleteMessageCommand, { QueueUrl, ReceiptHandle: message.ReceiptHandle });
  assert.deepEqual(await counts(QueueUrl), [0, 0, 0]);
  await ask(sqs.DeleteQueueCommand, { QueueUrl });
});

test('a receiver is told of the attributes that it asks for', async () => {
  const QueueUrl = await create('js-asked', { VisibilityTimeout: '0' });
  const text = { DataType: 'String', StringValue: 'x' };
  const MessageAttributes = { 'shop.id': text, 'shop.name': text, price: text };
  await ask(sqs.SendMessageCommand, { QueueUrl, MessageBody: 'm', MessageAttributes });
  for (const [names, expected] of [
    [['price'], ['price']], [['shop.*'], ['shop.id', 'shop.name']], [['none'], []],
    [['All'], ['price', 'shop.id', 'shop.name']],
  ]) {
    const [message] = await receive(QueueUrl, { MessageAttributeNames: names });
    assert.deepEqual(Object.keys(message.MessageAttributes ?? {}).sort(), expected, `${names}`);
    assert.equal(message.Attributes, undefined);
  }
  const [message] = await receive(QueueUrl, { MessageSystemAttributeNames: ['ApproximateReceiveCount'] });
  assert.deepEqual(message.Attributes, { ApproximateReceiveCount: '5' });
  await ask(sqs.DeleteQueueCommand, { QueueUrl });
});

test('a queue is made, shown, changed, emptied and deleted', async () => {
  const [QueueName, QueueArn] = ['js-life', `arn:aws:sqs:us-east-1:${ACCOUNT}:js-life`];
  const QueueUrl = await create(QueueName, { VisibilityTimeout: '7' });
  assert.match(QueueUrl, new RegExp(`/${ACCOUNT}/${QueueName}$`));
  assert.equal((await ask(sqs.GetQueueUrlCommand, { QueueName })).QueueUrl, QueueUrl);
  assert.equal((await ask(sqs.GetQueueUrlCommand, { QueueName, QueueOwnerAWSAccountId: ACCOUNT })).QueueUrl, QueueUrl);
  assert.equal(await create(QueueName, { VisibilityTimeout: '7' }), QueueUrl, 'the same queue is made once');
  await refused(
    create(QueueName, { VisibilityTimeout: '8' }), sqs.QueueNameExists,
    'A queue already exists with the same name and a different value for attribute VisibilityTimeout',
  );
  const { CreatedTimestamp, LastModifiedTimestamp, ...shown } = await attributes(QueueUrl, 'All');
  assert.ok(Math.abs(Number(CreatedTimestamp) - Date.now() / 1000) < 60, CreatedTimestamp);
  assert.equal(LastModifiedTimestamp, CreatedTimestamp);
  assert.deepEqual(shown, {
    QueueArn, ApproximateNumberOfMessages: '0', ApproximateNumberOfMessagesNotVisible: '0',
    ApproximateNumberOfMessagesDelayed: '0', VisibilityTimeout: '7', MaximumMessageSize: '1048576',
    MessageRetentionPeriod: '345600', DelaySeconds: '0', ReceiveMessageWaitTimeSeconds: '0',
    SqsManagedSseEnabled: 'true',
  });
  const changes = { DelaySeconds: '900', MaximumMessageSize: '1024', ReceiveMessageWaitTimeSeconds: '0' };
  await ask(sqs.SetQueueAttributesCommand, { QueueUrl, Attributes: changes });
  assert.deepEqual(await attributes(QueueUrl, ...Object.keys(changes)), changes);
  await refused(
    ask(sqs.SendMessageCommand, { QueueUrl, MessageBody: 'x'.repeat(1025) }), 'InvalidParameterValue',
    /Reason: Message must be shorter than 1024 bytes/,
  );
  await ask(sqs.SendMessageCommand, { QueueUrl, MessageBody: 'late' });
  await ask(sqs.SendMessageCommand, { QueueUrl, MessageBody: 'now', DelaySeconds: 0 });
  assert.deepEqual(await counts(QueueUrl), [1, 0, 1]);
  await ask(sqs.PurgeQueueCommand, { QueueUrl });
  assert.deepEqual(await counts(QueueUrl), [0, 0, 0]);
  await refused(
    ask(sqs.PurgeQueueCommand, { QueueUrl }), sqs.PurgeQueueInProgress,
    'Only one PurgeQueue operation on js-life is allowed every 60 seconds.',
  );
  await ask(sqs.DeleteQueueCommand, { QueueUrl });
  await refused(attributes(QueueUrl, 'All'), sqs.QueueDoesNotExist, 'The specified queue does not exist.');
  await refused(
    create(QueueName), sqs.QueueDeletedRecently,
    'You must wait 60 seconds after deleting a queue before you can create another with the same name.',
  );
});

test('attributes that cannot be are refused, and none of a request is set', async () => {
  const QueueUrl = await create('js-attributes');
  const set = (Attributes) => ask(sqs.SetQueueAttributesCommand, { QueueUrl, Attributes });
  await refused(set({ Colour: 'red' }), sqs.InvalidAttributeName, 'Unknown Attribute Colour.');
  await refused(set({ FifoQueue: 'true' }), sqs.InvalidAttributeName, 'Unknown Attribute FifoQueue.');
  await refused(
    set({ DelaySeconds: '3', VisibilityTimeout: '43201' }), sqs.InvalidAttributeValue,
    'Invalid value for the parameter VisibilityTimeout.',
  );
  await refused(set({ Policy: '{' }), sqs.InvalidAttributeValue, 'Invalid value for the parameter Policy.');
  await refused(set({ KmsMasterKeyId: 'alias/key' }), sqs.InvalidAttributeValue, /^KmsMasterKeyId is not supported/);
  await refused(attributes(QueueUrl, 'Colour'), sqs.InvalidAttributeName, 'Unknown Attribute Colour.');
  assert.deepEqual(await attributes(QueueUrl, 'DelaySeconds', 'VisibilityTimeout', 'Policy'), {
    DelaySeconds: '0', VisibilityTimeout: '30',
  });
  for (const QueueName of ['a b', 'x'.repeat(81), 'js.dotted']) {
    await refused(
      create(QueueName), 'InvalidParameterValue',
      'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length',
    );
  }
  await ask(sqs.DeleteQueueCommand, { QueueUrl });
});

test('a queue is tagged', async () => {
  const { QueueUrl } = await ask(sqs.CreateQueueCommand, { QueueName: 'js-tags', tags: { team: 'a', cost: '1' } });
  const tags = async () => (await ask(sqs.ListQueueTagsCommand, { QueueUrl })).Tags;
  assert.deepEqual(await tags(), { team: 'a', cost: '1' });
  await ask(sqs.TagQueueCommand, { QueueUrl, Tags: { team: 'b', 'größe': '' } });
  await ask(sqs.UntagQueueCommand, { QueueUrl, TagKeys: ['cost', 'none'] });
  assert.deepEqual(await tags(), { team: 'b', 'größe': '' });
  const Tags = Object.fromEntries(Array.from({ length: 49 }, (_, n) => [`t${n}`, `${n}`]));
  await refused(
    ask(sqs.TagQueueCommand, { QueueUrl, Tags }), 'InvalidParameterValue', 'Too many tags added for queue. Maximum is 50.',
  );
  await refused(ask(sqs.TagQueueCommand, { QueueUrl, Tags: { 'aws:x': '1' } }), 'InvalidParameterValue', /aws:/);
  assert.deepEqual(await tags(), { team: 'b', 'größe': '' }, 'of a refused request nothing is kept');
  await ask(sqs.UntagQueueCommand, { QueueUrl, TagKeys: ['team', 'größe'] });
  assert.equal(await tags(), undefined);
  await ask(sqs.DeleteQueueCommand, { QueueUrl });
  for (const [command, more] of [
    [sqs.ListQueueTagsCommand], [sqs.TagQueueCommand, { Tags: { a: '1' } }], [sqs.UntagQueueCommand, { TagKeys: ['a'] }],
  ]) {
    await refused(ask(command, { QueueUrl, ...more }), sqs.QueueDoesNotExist, 'The specified queue does not exist.');
  }
});

test('another account does what a permission lets it, as long as it does', async () => {
  const [FRIEND, QueueName] = ['232323232323', 'js-permissions'];
  const QueueUrl = await create(QueueName);
  const friend = keeper(queuesOf(FRIEND));
  const send = (MessageBody) => friend.ask(sqs.SendMessageCommand, { QueueUrl, MessageBody });
  await refused(send('early'), DENIED, NO_LEAVE);
  const Label = 'friends';
  const permission = { QueueUrl, Label, AWSAccountIds: [FRIEND], Actions: ['SendMessage', 'GetQueueUrl'] };
  await ask(sqs.AddPermissionCommand, permission);
  await refused(
    ask(sqs.AddPermissionCommand, permission), 'InvalidParameterValue',
    'Value friends for parameter Label is invalid. Reason: Already exists.',
  );
  await refused(
    ask(sqs.AddPermissionCommand, { ...permission, Label: 'l', Actions: ['DeleteQueue'] }), 'InvalidParameterValue',
    /^Value SQS:DeleteQueue for parameter ActionName is invalid\./,
  );
  const { Id, Statement } = JSON.parse((await attributes(QueueUrl, 'Policy')).Policy);
  assert.equal(Id, `${await arn(QueueUrl)}/SQSDefaultPolicy`);
  assert.deepEqual(Statement, [{
    Sid: Label, Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${FRIEND}:root` },
    Action: ['SQS:SendMessage', 'SQS:GetQueueUrl'], Resource: await arn(QueueUrl),
  }]);
  await send('by leave');
  const asked = { QueueName, QueueOwnerAWSAccountId: ACCOUNT };
  assert.equal((await friend.ask(sqs.GetQueueUrlCommand, asked)).QueueUrl, QueueUrl);
  await refused(friend.receive(QueueUrl), DENIED, NO_LEAVE);
  await ask(sqs.RemovePermissionCommand, { QueueUrl, Label });
  await refused(
    ask(sqs.RemovePermissionCommand, { QueueUrl, Label }), 'InvalidParameterValue',
    "Value friends for parameter Label is invalid. Reason: can't find label on existing policy.",
  );
  await refused(send('late'), DENIED, NO_LEAVE);
  assert.deepEqual((await receive(QueueUrl)).map(({ Body }) => Body), ['by leave']);
  await ask(sqs.DeleteQueueCommand, { QueueUrl });
});

test('queues are listed page by page, each account its own', async () => {
  const own = queuesOf('343434343434');
  const { ask: askOwn, create: createOwn } = keeper(own);
  const names = ['list-a', 'list-b', 'list-c', 'list-d', 'list-e', 'other'];
  const urls = [];
  for (const name of names) urls.push(await createOwn(name));
  assert.deepEqual((await askOwn(sqs.ListQueuesCommand)).QueueUrls, urls);
  const pages = [];
  const paginator = sqs.paginateListQueues({ client: own, pageSize: 2 }, { QueueNamePrefix: 'list-' });
  for await (const page of paginator) pages.push(page.QueueUrls);
  assert.deepEqual(pages, [urls.slice(0, 2), urls.slice(2, 4), urls.slice(4, 5)]);
  const { NextToken } = await askOwn(sqs.ListQueuesCommand, { QueueNamePrefix: 'list-' });
  assert.equal(NextToken, undefined, 'who asks for no size of pages gets one');
  assert.equal((await askOwn(sqs.ListQueuesCommand, { QueueNamePrefix: 'none' })).QueueUrls, undefined);
  await refused(askOwn(sqs.ListQueuesCommand, { MaxResults: 1001 }), 'InvalidParameterValue', /MaxResults/);
  await refused(askOwn(sqs.ListQueuesCommand, { MaxResults: 1, NextToken: '!' }), 'InvalidParameterValue', /token/);
  for (const QueueUrl of urls) await askOwn(sqs.DeleteQueueCommand, { QueueUrl });
});

test('batches are done in part, and entries told apart', async () => {
  const QueueUrl = await create('js-batch', { VisibilityTimeout: '600' });
  const sent = await ask(sqs.SendMessageBatchCommand, {
    QueueUrl,
    Entries: [
      { Id: 'one', MessageBody: '1' }, { Id: 'control', MessageBody: '\u0001' }, { Id: 'two', MessageBody: '2' },
      { Id: 'late', MessageBody: '3', DelaySeconds: 901 }, { Id: 'empty', MessageBody: '' },
    ],
  });
  assert.deepEqual(ids(sent.Successful), ['one', 'two']);
  assert.deepEqual(sent.Failed.map(({ Id, Code, SenderFault }) => [Id, Code, SenderFault]), [
    ['control', 'InvalidMessageContents', true], ['late', 'InvalidParameterValue', true],
    ['empty', 'MissingParameter', true],
  ]);
  const messages = await receive(QueueUrl);
  assert.deepEqual(messages.map(({ Body }) => Body).sort(), ['1', '2']);
  const [first, second] = messages.map(({ ReceiptHandle }) => ReceiptHandle);
  const changed = await ask(sqs.ChangeMessageVisibilityBatchCommand, {
    QueueUrl,
    Entries: [
      { Id: 'free', ReceiptHandle: first, VisibilityTimeout: 0 },
      { Id: 'wrong', ReceiptHandle: 'x', VisibilityTimeout: 0 },
      { Id: 'long', ReceiptHandle: second, VisibilityTimeout: 43201 },
    ],
  });
  assert.deepEqual(ids(changed.Successful), ['free']);
  assert.deepEqual(changed.Failed.map(({ Id, Code }) => [Id, Code]), [
    ['wrong', 'ReceiptHandleIsInvalid'], ['long', 'InvalidParameterValue'],
  ]);
  assert.deepEqual(await counts(QueueUrl), [1, 1, 0]);
  const [again] = await receive(QueueUrl);
  assert.equal(again.MessageId, messages[0].MessageId);
  const deleted = await ask(sqs.DeleteMessageBatchCommand, {
    QueueUrl,
    Entries: [
      { Id: 'again', ReceiptHandle: again.ReceiptHandle }, { Id: 'wrong', ReceiptHandle: 'x' },
      { Id: 'second', ReceiptHandle: second },
    ],
  });
  assert.deepEqual(ids(deleted.Successful), ['again', 'second']);
  assert.deepEqual(deleted.Failed.map(({ Id, Code, SenderFault }) => [Id, Code, SenderFault]), [
    ['wrong', 'ReceiptHandleIsInvalid', true],
  ]);
  assert.deepEqual(await counts(QueueUrl), [0, 0, 0]);
  await ask(sqs.DeleteQueueCommand, { QueueUrl });
});

test('batches that cannot be are refused whole', async () => {
  const QueueUrl = await create('js-batch-refused');
  const entry = (Id, MessageBody = 'm') => ({ Id, MessageBody, ReceiptHandle: 'x', VisibilityTimeout: 0 });
  const eleven = Array.from({ length: 11 }, (_, n) => entry(`${n}`));
  for (const [kind, command] of [
    ['SendMessage', sqs.SendMessageBatchCommand], ['DeleteMessage', sqs.DeleteMessageBatchCommand],
    ['ChangeMessageVisibility', sqs.ChangeMessageVisibilityBatchCommand],
  ]) {
    const send = (...Entries) => ask(command, { QueueUrl, Entries });
    await refused(
      send(), sqs.EmptyBatchRequest, `There should be at least one ${kind}BatchRequestEntry in the request.`,
    );
    await refused(
      send(...eleven), sqs.TooManyEntriesInBatchRequest,
      'Maximum number of entries per request are 10. You have sent 11.',
    );
    await refused(send(entry('a'), entry('a')), sqs.BatchEntryIdsNotDistinct, 'Id a repeated.');
    await refused(
      send(entry('a'), entry('b c')), sqs.InvalidBatchEntryId,
      /^A batch entry id can only contain alphanumeric characters, hyphens and underscores\./,
    );
  }
  const half = 'x'.repeat(524_289);
  await refused(
    ask(sqs.SendMessageBatchCommand, { QueueUrl, Entries: [entry('a', half), entry('b', half)] }), sqs.BatchRequestTooLong,
    'Batch requests cannot be longer than 1048576 bytes. You have sent 1048578 bytes.',
  );
  assert.deepEqual(await counts(QueueUrl), [0, 0, 0]);
  await ask(sqs.DeleteQueueCommand, { QueueUrl });
});

test('a receiver keeps a message for longer, or gives it back', async () => {
  const QueueUrl = await create('js-visibility');
  await ask(sqs.SendMessageCommand, { QueueUrl, MessageBody: 'm' });
  const [{ ReceiptHandle, MessageId }] = await receive(QueueUrl);
  const change = (VisibilityTimeout, handle = ReceiptHandle) =>
    ask(sqs.ChangeMessageVisibilityCommand, { QueueUrl, ReceiptHandle: handle, VisibilityTimeout });
  await change(600);
  assert.deepEqual(await counts(QueueUrl), [0, 1, 0]);
  await refused(change(43_200), 'InvalidParameterValue', /Total VisibilityTimeout for the message is beyond the limit/);
  await refused(change(-1), 'InvalidParameterValue', /VisibilityTimeout/);
  await refused(change(0, 'x'), sqs.ReceiptHandleIsInvalid, 'The input receipt handle "x" is not a valid receipt handle.');
  await change(0);
  await refused(change(10), sqs.MessageNotInflight);
  const [again] = await receive(QueueUrl, { MessageSystemAttributeNames: ['ApproximateReceiveCount'] });
  assert.deepEqual([again.MessageId, again.Attributes], [MessageId, { ApproximateReceiveCount: '2' }]);
  await ask(sqs.DeleteMessageCommand, { QueueUrl, ReceiptHandle: again.ReceiptHandle });
  await ask(sqs.DeleteMessageCommand, { QueueUrl, ReceiptHandle: again.ReceiptHandle });
  await refused(change(0, again.ReceiptHandle), 'InvalidParameterValue', /Message does not exist or is not available/);
  await ask(sqs.DeleteQueueCommand, { QueueUrl });
});

test('a long poll is woken by what is sent', async () => {
  const QueueUrl = await create('js-poll');
  const waiting = receive(QueueUrl, { WaitTimeSeconds: 20 });
  const { MessageId } = await ask(sqs.SendMessageCommand, { QueueUrl, MessageBody: 'wake' });
  assert.deepEqual((await waiting).map((message) => message.MessageId), [MessageId]);
  await ask(sqs.DeleteQueueCommand, { QueueUrl });
});

test('errors are those that the SDK has classes for', async () => {
  const gone = 'The specified queue does not exist.';
  const QueueName = 'js-none';
  await refused(ask(sqs.GetQueueUrlCommand, { QueueName }), sqs.QueueDoesNotExist, gone);
  const known = await create('js-errors');
  const QueueUrl = known.replace('js-errors', QueueName);
  const handle = { ReceiptHandle: 'x', VisibilityTimeout: 0 };
  for (const [command, more] of [
    [sqs.AddPermissionCommand, { Label: 'l', AWSAccountIds: [ACCOUNT], Actions: ['*'] }],
    [sqs.ChangeMessageVisibilityCommand, handle],
    [sqs.ChangeMessageVisibilityBatchCommand, { Entries: [{ Id: 'a', ...handle }] }],
    [sqs.DeleteMessageCommand, handle],
    [sqs.DeleteMessageBatchCommand, { Entries: [{ Id: 'a', ...handle }] }],
    [sqs.DeleteQueueCommand, {}],
    [sqs.GetQueueAttributesCommand, { AttributeNames: ['All'] }],
    [sqs.ListDeadLetterSourceQueuesCommand, {}],
    [sqs.PurgeQueueCommand, {}],
    [sqs.ReceiveMessageCommand, {}],
    [sqs.RemovePermissionCommand, { Label: 'l' }],
    [sqs.SendMessageCommand, { MessageBody: 'm' }],
    [sqs.SendMessageBatchCommand, { Entries: [{ Id: 'a', MessageBody: 'm' }] }],
    [sqs.SetQueueAttributesCommand, { Attributes: { DelaySeconds: '1' } }],
  ]) {
    await refused(ask(command, { QueueUrl, ...more }), sqs.QueueDoesNotExist, gone);
  }
  const there = { QueueUrl: known };
  await refused(
    ask(sqs.SendMessageCommand, { ...there, MessageBody: '' }), 'MissingParameter',
    'The request must contain the parameter MessageBody.',
  );
  await refused(ask(sqs.SendMessageCommand, { ...there, MessageBody: '\u0001' }), sqs.InvalidMessageContents);
  await refused(
    ask(sqs.ReceiveMessageCommand, { ...there, MaxNumberOfMessages: 11 }), 'InvalidParameterValue',
    'Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.',
  );
  await refused(
    ask(sqs.DeleteMessageCommand, { ...there, ReceiptHandle: 'x' }), sqs.ReceiptHandleIsInvalid,
    'The input receipt handle "x" is not a valid receipt handle.',
  );
  await ask(sqs.DeleteQueueCommand, there);
});
