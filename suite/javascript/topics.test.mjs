//! SNS through the AWS SDK for JavaScript v3: topics, who may use them, and what is published to them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sns } from './clients.mjs';
import { ACCOUNT, asker, queuesOf, refused, subscribers, topicsOf } from './messaging.mjs';

const ask = asker(topicsOf());
const { queueFor, arrived, deleteQueue } = subscribers(queuesOf());
const TOPICS = `arn:aws:sns:us-east-1:${ACCOUNT}`;

const create = async (Name, more = {}) => (await ask(sns.CreateTopicCommand, { Name, ...more })).TopicArn;
const remove = (TopicArn) => ask(sns.DeleteTopicCommand, { TopicArn });
const attributes = async (TopicArn) => (await ask(sns.GetTopicAttributesCommand, { TopicArn })).Attributes;
const set = (TopicArn, AttributeName, AttributeValue) =>
  ask(sns.SetTopicAttributesCommand, { TopicArn, AttributeName, AttributeValue });
/** A queue that gets what is published as it is. */
async function raw(TopicArn, name, queue = {}) {
  const target = await queueFor(TopicArn, name, queue);
  const Attributes = { RawMessageDelivery: 'true' };
  await ask(sns.SubscribeCommand, { TopicArn, Protocol: 'sqs', Endpoint: target.QueueArn, Attributes });
  return target;
}

test('a topic is made, shown, changed and deleted', async () => {
  const Tags = [{ Key: 'a', Value: '1' }];
  const TopicArn = await create('js-life', { Attributes: { DisplayName: 'One' }, Tags });
  assert.equal(TopicArn, `${TOPICS}:js-life`);
  assert.equal(await create('js-life'), TopicArn, 'the same topic is made once');
  await refused(
    create('js-life', { Attributes: { DisplayName: 'Two' } }), sns.InvalidParameterException,
    'Invalid parameter: Attributes Reason: Topic already exists with different attributes',
  );
  await refused(
    create('js-life', { Tags: [{ Key: 'a', Value: '2' }] }), sns.InvalidParameterException,
    'Invalid parameter: Tags Reason: Topic already exists with different tags',
  );
  const { Policy, EffectiveDeliveryPolicy, ...shown } = await attributes(TopicArn);
  assert.deepEqual(shown, {
    TopicArn, Owner: ACCOUNT, DisplayName: 'One',
    SubscriptionsConfirmed: '0', SubscriptionsPending: '0', SubscriptionsDeleted: '0',
  });
  assert.equal(JSON.parse(Policy).Id, '__default_policy_ID');
  assert.equal(JSON.parse(EffectiveDeliveryPolicy).http.defaultHealthyRetryPolicy.numRetries, 3);
  await set(TopicArn, 'DisplayName', 'Drei');
  await set(TopicArn, 'SignatureVersion', '2');
  const { DisplayName, SignatureVersion } = await attributes(TopicArn);
  assert.deepEqual([DisplayName, SignatureVersion], ['Drei', '2']);
  await remove(TopicArn);
  await refused(attributes(TopicArn), sns.NotFoundException, 'Topic does not exist');
  await remove(TopicArn);
});

test('names and attributes that cannot be are refused, and change nothing', async () => {
  const wrong = (call, what) => refused(call, sns.InvalidParameterException, what);
  for (const name of ['a b', 'js.dotted', 'js-standard.fifo', 'x'.repeat(257)]) {
    await wrong(create(name), /^Invalid parameter: Topic Name/);
  }
  const TopicArn = await create('js-wrong');
  await wrong(set(TopicArn, 'Colour', 'red'), 'Invalid parameter: AttributeName');
  await wrong(set(TopicArn, 'FifoTopic', 'true'), 'Invalid parameter: AttributeName');
  await wrong(set(TopicArn, 'Policy', '{'), /^Invalid parameter: Policy Error/);
  await wrong(set(TopicArn, 'SignatureVersion', '3'), /^Invalid parameter: SignatureVersion/);
  await wrong(set(TopicArn, 'DisplayName', 'x'.repeat(101)), /DisplayName/);
  await wrong(set(TopicArn, 'ContentBasedDeduplication', 'true'), /ContentBasedDeduplication/);
  const { DisplayName, SignatureVersion } = await attributes(TopicArn);
  assert.deepEqual([DisplayName, SignatureVersion], ['', undefined]);
  await wrong(attributes('js-wrong'), /^Invalid parameter: TopicArn/);
  await remove(TopicArn);
});

test('what Hearth has not is refused by name', async () => {
  const TopicArn = await create('js-absent');
  const lacks = (call, what) =>
    refused(call, sns.InvalidParameterException, new RegExp(`^Invalid parameter: Hearth does not support .*${what}.* yet\\.$`));
  for (const [name, value] of [
    ['KmsMasterKeyId', 'alias/aws/sns'], ['TracingConfig', 'Active'], ['DataProtectionPolicy', '{"Name": "p"}'],
    ['ArchivePolicy', '{"MessageRetentionPeriod": 1}'], ['SQSSuccessFeedbackSampleRate', '100'],
  ]) {
    await lacks(set(TopicArn, name, value), name);
  }
  await lacks(create('js-absent-policy', { DataProtectionPolicy: '{"Name": "p"}' }), 'DataProtectionPolicy');
  await lacks(ask(sns.PublishCommand, { PhoneNumber: '+41000000000', Message: 'm' }), 'PhoneNumber');
  const endpoint = `${TOPICS}:endpoint/GCM/app/1`;
  await lacks(ask(sns.PublishCommand, { TargetArn: endpoint, Message: 'm' }), 'TargetArn');
  for (const Protocol of ['email', 'email-json', 'sms', 'application', 'firehose']) {
    await lacks(ask(sns.SubscribeCommand, { TopicArn, Protocol, Endpoint: 'x' }), `protocol ${Protocol}`);
  }
  for (const [command, input] of [
    [sns.CreatePlatformApplicationCommand, { Name: 'a', Platform: 'GCM', Attributes: {} }],
    [sns.ListPlatformApplicationsCommand, {}],
    [sns.GetSMSAttributesCommand, {}],
    [sns.CheckIfPhoneNumberIsOptedOutCommand, { phoneNumber: '+41000000000' }],
    [sns.GetDataProtectionPolicyCommand, { ResourceArn: TopicArn }],
    [sns.PutDataProtectionPolicyCommand, { ResourceArn: TopicArn, DataProtectionPolicy: '{}' }],
  ]) {
    const operation = command.name.replace(/Command$/, '');
    await refused(ask(command, input), 'InvalidAction', `Hearth does not implement sns:${operation}.`);
  }
  await remove(TopicArn);
});

test('a topic is tagged', async () => {
  const ResourceArn = await create('js-tags', { Tags: [{ Key: 'team', Value: 'a' }, { Key: 'cost', Value: '1' }] });
  const tags = async () => {
    const { Tags } = await ask(sns.ListTagsForResourceCommand, { ResourceArn });
    return Object.fromEntries(Tags.map(({ Key, Value }) => [Key, Value]));
  };
  assert.deepEqual(await tags(), { team: 'a', cost: '1' });
  await ask(sns.TagResourceCommand, { ResourceArn, Tags: [{ Key: 'team', Value: 'b' }, { Key: 'größe', Value: '' }] });
  await ask(sns.UntagResourceCommand, { ResourceArn, TagKeys: ['cost', 'none'] });
  assert.deepEqual(await tags(), { team: 'b', 'größe': '' });
  const Tags = Array.from({ length: 49 }, (_, n) => ({ Key: `t${n}`, Value: `${n}` }));
  await refused(
    ask(sns.TagResourceCommand, { ResourceArn, Tags }), sns.TagLimitExceededException,
    'Could not complete request: tag quota of per resource exceeded',
  );
  await refused(
    ask(sns.TagResourceCommand, { ResourceArn, Tags: [{ Key: 'aws:x', Value: '1' }] }), sns.InvalidParameterException,
  );
  assert.deepEqual(await tags(), { team: 'b', 'größe': '' }, 'of a refused request nothing is kept');
  await remove(ResourceArn);
  for (const [command, more] of [
    [sns.ListTagsForResourceCommand], [sns.TagResourceCommand, { Tags: Tags.slice(0, 1) }],
    [sns.UntagResourceCommand, { TagKeys: ['team'] }],
  ]) {
    await refused(ask(command, { ResourceArn, ...more }), sns.ResourceNotFoundException, 'Resource does not exist');
  }
});

test('another account does what a permission lets it, as long as it does', async () => {
  const FRIEND = '454545454545';
  const TopicArn = await create('js-permissions');
  const target = await raw(TopicArn, 'js-permissions-queue');
  const friend = asker(topicsOf(FRIEND));
  const publish = (Message) => friend(sns.PublishCommand, { TopicArn, Message });
  const denied = (call, action) =>
    refused(call, sns.AuthorizationErrorException, new RegExp(`is not authorized to perform: SNS:${action} on`));
  await denied(publish('early'), 'Publish');
  const permission = { TopicArn, Label: 'friends', AWSAccountId: [FRIEND], ActionName: ['Publish', 'GetTopicAttributes'] };
  await ask(sns.AddPermissionCommand, permission);
  await refused(
    ask(sns.AddPermissionCommand, permission), sns.InvalidParameterException,
    'Invalid parameter: Statement already exists',
  );
  await refused(
    ask(sns.AddPermissionCommand, { ...permission, Label: 'l', ActionName: ['Fly'] }), sns.InvalidParameterException,
    'Invalid parameter: Policy statement action out of service scope!',
  );
  await refused(
    ask(sns.AddPermissionCommand, { ...permission, Label: '' }), sns.InvalidParameterException,
    'Invalid parameter: Label Reason: no value for required parameter',
  );
  const statements = async () => JSON.parse((await attributes(TopicArn)).Policy).Statement;
  const [own, added, ...others] = await statements();
  assert.deepEqual(others, []);
  assert.equal(own.Sid, '__default_statement_ID');
  assert.deepEqual(added, {
    Sid: 'friends', Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${FRIEND}:root` },
    Action: ['SNS:Publish', 'SNS:GetTopicAttributes'], Resource: TopicArn,
  });
  await publish('by leave');
  assert.equal((await friend(sns.GetTopicAttributesCommand, { TopicArn })).Attributes.Owner, ACCOUNT);
  await denied(friend(sns.ListSubscriptionsByTopicCommand, { TopicArn }), 'ListSubscriptionsByTopic');
  await ask(sns.RemovePermissionCommand, { TopicArn, Label: 'friends' });
  assert.deepEqual(await statements(), [own]);
  await denied(publish('late'), 'Publish');
  await ask(sns.PublishCommand, { TopicArn, Message: 'own' });
  assert.deepEqual((await arrived(target, 2)).map(({ Body }) => Body).sort(), ['by leave', 'own']);
  await remove(TopicArn);
  await deleteQueue(target);
});

test('topics are listed page by page, each account its own', async () => {
  const client = topicsOf('565656565656');
  const askOwn = asker(client);
  const names = Array.from({ length: 101 }, (_, n) => `list-${String(n).padStart(3, '0')}`);
  const made = await Promise.all(names.map((Name) => askOwn(sns.CreateTopicCommand, { Name })));
  const arns = made.map(({ TopicArn }) => TopicArn);
  const pages = [];
  for await (const page of sns.paginateListTopics({ client }, {})) pages.push(page.Topics.map(({ TopicArn }) => TopicArn));
  assert.deepEqual(pages.map((page) => page.length), [100, 1]);
  assert.deepEqual(pages.flat().sort(), arns);
  await Promise.all(arns.map((TopicArn) => askOwn(sns.DeleteTopicCommand, { TopicArn })));
  assert.deepEqual((await askOwn(sns.ListTopicsCommand)).Topics, []);
  await refused(
    askOwn(sns.ListTopicsCommand, { NextToken: '!' }), sns.InvalidParameterException, 'Invalid parameter: NextToken',
  );
});

test('what is published arrives, in the form for its receiver', async () => {
  const TopicArn = await create('js-publish');
  const target = await raw(TopicArn, 'js-publish-queue');
  const MessageAttributes = {
    kind: { DataType: 'String', StringValue: 'größer' }, count: { DataType: 'Number', StringValue: '3' },
    bytes: { DataType: 'Binary', BinaryValue: new Uint8Array([0, 255]) },
  };
  const { MessageId } = await ask(sns.PublishCommand, { TopicArn, Message: 'héllo\n', MessageAttributes });
  assert.match(MessageId, /^[0-9a-f-]{36}$/);
  const [message] = await arrived(target, 1);
  assert.equal(message.Body, 'héllo\n');
  assert.deepEqual(message.MessageAttributes, MessageAttributes);
  const structured = { TargetArn: TopicArn, MessageStructure: 'json' };
  await ask(sns.PublishCommand, { ...structured, Message: JSON.stringify({ default: 'for all', sqs: 'for queues' }) });
  await ask(sns.PublishCommand, { ...structured, Message: JSON.stringify({ default: 'for all', http: 'no' }) });
  assert.deepEqual((await arrived(target, 2)).map(({ Body }) => Body).sort(), ['for all', 'for queues']);
  const wrong = (more, what) =>
    refused(ask(sns.PublishCommand, { TopicArn, Message: 'm', ...more }), sns.InvalidParameterException, what);
  await wrong({ Message: '' }, 'Invalid parameter: Empty message');
  await wrong({ Message: 'x'.repeat(262_145) }, 'Invalid parameter: Message too long');
  await wrong({ Subject: 'x'.repeat(101) }, 'Invalid parameter: Subject');
  await wrong({ Subject: 'two\nlines' }, 'Invalid parameter: Subject');
  await wrong({ MessageStructure: 'json' }, 'Invalid parameter: Message Structure - JSON message body failed to parse');
  await wrong(
    { MessageStructure: 'json', Message: '{"sqs": "m"}' },
    'Invalid parameter: Message Structure - No default entry in JSON message body',
  );
  await refused(
    ask(sns.PublishCommand, { TopicArn, Message: 'm', MessageAttributes: { n: { DataType: 'Number', StringValue: 'x' } } }),
    sns.InvalidParameterValueException, /'n' Could not cast message attribute value to number\.$/,
  );
  await remove(TopicArn);
  await deleteQueue(target);
});

test('a batch is published in part, or refused whole', async () => {
  const TopicArn = await create('js-batch');
  const target = await raw(TopicArn, 'js-batch-queue');
  const publish = (...PublishBatchRequestEntries) => ask(sns.PublishBatchCommand, { TopicArn, PublishBatchRequestEntries });
  const entry = (Id, Message = 'm') => ({ Id, Message });
  const answer = await publish(
    entry('one', '1'), { ...entry('subject'), Subject: 'x'.repeat(101) }, entry('empty', ''), entry('two', '2'),
    { ...entry('attribute'), MessageAttributes: { a: { DataType: 'Colour', StringValue: 'red' } } },
  );
  assert.deepEqual(answer.Successful.map(({ Id }) => Id), ['one', 'two']);
  assert.deepEqual(answer.Failed.map(({ Id, Code, SenderFault }) => [Id, Code, SenderFault]), [
    ['subject', 'InvalidParameter', true], ['empty', 'InvalidParameter', true],
    ['attribute', 'ParameterValueInvalid', true],
  ]);
  const eleven = Array.from({ length: 11 }, (_, n) => entry(`${n}`));
  await refused(publish(...eleven), sns.TooManyEntriesInBatchRequestException,
    'The batch request contains more entries than permissible.');
  await refused(publish(), sns.EmptyBatchRequestException, "The batch request doesn't contain any entries.");
  await refused(publish(entry('a'), entry('a')), sns.BatchEntryIdsNotDistinctException,
    'Two or more batch entries in the request have the same Id.');
  await refused(publish(entry('a'), entry('b c')), sns.InvalidBatchEntryIdException,
    "The Id of a batch entry in a batch request doesn't abide by the specification.");
  await refused(publish(...['a', 'b'].map((Id) => entry(Id, 'x'.repeat(131_073)))), sns.BatchRequestTooLongException,
    'The length of all the messages put together is more than the limit.');
  assert.deepEqual((await arrived(target, 2)).map(({ Body }) => Body).sort(), ['1', '2']);
  await remove(TopicArn);
  await deleteQueue(target);
});

test('a FIFO topic keeps order and drops duplicates', async () => {
  const Attributes = { FifoTopic: 'true', ContentBasedDeduplication: 'true' };
  const TopicArn = await create('js-order.fifo', { Attributes });
  const shown = await attributes(TopicArn);
  assert.deepEqual([shown.FifoTopic, shown.ContentBasedDeduplication], ['true', 'true']);
  const target = await raw(TopicArn, 'js-order-queue.fifo', { FifoQueue: 'true' });
  const sent = [];
  for (const Message of ['1', '2', '1', '3']) {
    sent.push(await ask(sns.PublishCommand, { TopicArn, Message, MessageGroupId: 'g' }));
  }
  const [one, two, again, three] = sent.map(({ SequenceNumber }) => BigInt(SequenceNumber));
  assert.ok(one < two && two < three && again === one, `${[one, two, again, three]}`);
  const messages = await arrived(target, 3);
  assert.deepEqual(messages.map(({ Body, Attributes: { MessageGroupId } }) => [Body, MessageGroupId]), [
    ['1', 'g'], ['2', 'g'], ['3', 'g'],
  ]);
  const wrong = (more, what) =>
    refused(ask(sns.PublishCommand, { TopicArn, Message: 'm', ...more }), sns.InvalidParameterException, what);
  await wrong({}, 'Invalid parameter: The MessageGroupId parameter is required for FIFO topics');
  await set(TopicArn, 'ContentBasedDeduplication', 'false');
  await wrong({ MessageGroupId: 'g' }, 'Invalid parameter: The topic should either have ContentBasedDeduplication enabled '
    + 'or MessageDeduplicationId provided explicitly');
  await remove(TopicArn);
  await deleteQueue(target);
});

test('errors are those that the SDK has classes for', async () => {
  const TopicArn = `${TOPICS}:js-none`;
  for (const [command, more] of [
    [sns.AddPermissionCommand, { Label: 'l', AWSAccountId: [ACCOUNT], ActionName: ['Publish'] }],
    [sns.ConfirmSubscriptionCommand, { Token: 't' }],
    [sns.GetTopicAttributesCommand, {}],
    [sns.ListSubscriptionsByTopicCommand, {}],
    [sns.PublishBatchCommand, { PublishBatchRequestEntries: [{ Id: 'a', Message: 'm' }] }],
    [sns.PublishCommand, { Message: 'm' }],
    [sns.RemovePermissionCommand, { Label: 'l' }],
    [sns.SetTopicAttributesCommand, { AttributeName: 'DisplayName', AttributeValue: 'd' }],
    [sns.SubscribeCommand, { Protocol: 'sqs', Endpoint: `arn:aws:sqs:us-east-1:${ACCOUNT}:q` }],
  ]) {
    await refused(ask(command, { TopicArn, ...more }), sns.NotFoundException, 'Topic does not exist');
  }
  await refused(
    ask(sns.DeleteTopicCommand, { TopicArn: 'js-none' }), sns.InvalidParameterException, /^Invalid parameter: TopicArn/,
  );
});
