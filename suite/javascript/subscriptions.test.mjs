//! Subscriptions of SNS through the AWS SDK for JavaScript v3: their lives, what they let through, and whom they ask.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sns } from './clients.mjs';
import { ACCOUNT, asker, queuesOf, refused, subscribers, topicsOf } from './messaging.mjs';

const ask = asker(topicsOf());
const own = subscribers(queuesOf());

const create = async (Name, more = {}) => (await ask(sns.CreateTopicCommand, { Name, ...more })).TopicArn;
const remove = (TopicArn) => ask(sns.DeleteTopicCommand, { TopicArn });
const subscribe = async (TopicArn, Endpoint, Attributes = {}) => {
  const asked = { TopicArn, Protocol: 'sqs', Endpoint, Attributes, ReturnSubscriptionArn: true };
  return (await ask(sns.SubscribeCommand, asked)).SubscriptionArn;
};
const attributes = async (SubscriptionArn) =>
  (await ask(sns.GetSubscriptionAttributesCommand, { SubscriptionArn })).Attributes;
const set = (SubscriptionArn, AttributeName, AttributeValue) =>
  ask(sns.SetSubscriptionAttributesCommand, { SubscriptionArn, AttributeName, AttributeValue });
const bodies = (messages) => messages.map(({ Body }) => Body).sort();

test('a subscription is made, shown, changed and ended', async () => {
  const TopicArn = await create('js-subscription');
  const target = await own.queueFor(TopicArn, 'js-subscription-queue');
  const SubscriptionArn = await subscribe(TopicArn, target.QueueArn, { RawMessageDelivery: 'true' });
  assert.ok(SubscriptionArn.startsWith(`${TopicArn}:`), SubscriptionArn);
  assert.equal(await subscribe(TopicArn, target.QueueArn), SubscriptionArn, 'who subscribes twice has subscribed once');
  await refused(
    subscribe(TopicArn, target.QueueArn, { RawMessageDelivery: 'false' }), sns.InvalidParameterException,
    'Invalid parameter: Attributes Reason: Subscription already exists with different attributes',
  );
  const { Subscriptions } = await ask(sns.ListSubscriptionsByTopicCommand, { TopicArn });
  assert.deepEqual(Subscriptions, [
    { SubscriptionArn, Owner: ACCOUNT, Protocol: 'sqs', Endpoint: target.QueueArn, TopicArn },
  ]);
  assert.deepEqual(await attributes(SubscriptionArn), {
    SubscriptionArn, TopicArn, Owner: ACCOUNT, Protocol: 'sqs', Endpoint: target.QueueArn,
    SubscriptionPrincipal: `arn:aws:iam::${ACCOUNT}:root`, ConfirmationWasAuthenticated: 'true',
    PendingConfirmation: 'false', RawMessageDelivery: 'true',
  });
  const dead = JSON.stringify({ deadLetterTargetArn: target.QueueArn });
  await set(SubscriptionArn, 'FilterPolicy', '{"kind": ["order"]}');
  await set(SubscriptionArn, 'RedrivePolicy', dead);
  const shown = await attributes(SubscriptionArn);
  assert.deepEqual(
    [shown.FilterPolicy, shown.FilterPolicyScope, shown.RedrivePolicy], ['{"kind": ["order"]}', 'MessageAttributes', dead],
  );
  await set(SubscriptionArn, 'FilterPolicy', '{}');
  await set(SubscriptionArn, 'RedrivePolicy', '');
  const emptied = await attributes(SubscriptionArn);
  assert.deepEqual([emptied.FilterPolicy, emptied.RedrivePolicy], [undefined, undefined]);
  await ask(sns.UnsubscribeCommand, { SubscriptionArn });
  await refused(attributes(SubscriptionArn), sns.NotFoundException, 'Subscription does not exist');
  await refused(set(SubscriptionArn, 'FilterPolicy', '{}'), sns.NotFoundException, 'Subscription does not exist');
  const { Attributes } = await ask(sns.GetTopicAttributesCommand, { TopicArn });
  assert.deepEqual([Attributes.SubscriptionsConfirmed, Attributes.SubscriptionsDeleted], ['0', '1']);
  await remove(TopicArn);
  await own.deleteQueue(target);
});

test('subscriptions that cannot be are refused, and attributes that cannot be change nothing', async () => {
  const TopicArn = await create('js-wrong-subscription');
  const queue = `arn:aws:sqs:us-east-1:${ACCOUNT}:js-no-queue`;
  const wrong = (call, what) => refused(call, sns.InvalidParameterException, what);
  const endpoint = (Protocol, Endpoint) => ask(sns.SubscribeCommand, { TopicArn, Protocol, Endpoint });
  await wrong(endpoint('pigeon', 'x'), 'Invalid parameter: Does not support this protocol string: pigeon');
  await wrong(endpoint('sqs', 'js-no-queue'), 'Invalid parameter: SQS endpoint ARN');
  await wrong(endpoint('lambda', queue), 'Invalid parameter: Lambda endpoint ARN');
  await wrong(endpoint('https', 'http://example.com/'), 'Invalid parameter: Endpoint must match the specified protocol');
  await wrong(
    endpoint('sqs', `${queue}.fifo`),
    'Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics',
  );
  await wrong(subscribe(TopicArn, queue, { Colour: 'red' }), 'Invalid parameter: AttributeName');
  assert.deepEqual((await ask(sns.ListSubscriptionsByTopicCommand, { TopicArn })).Subscriptions, []);
  const SubscriptionArn = await subscribe(TopicArn, queue);
  const before = await attributes(SubscriptionArn);
  for (const [name, value, what] of [
    ['Colour', 'red', 'Invalid parameter: AttributeName'],
    ['RawMessageDelivery', 'perhaps', 'Invalid parameter: Attributes Reason: RawMessageDelivery: Invalid value [perhaps]. '
      + 'Must be true or false.'],
    ['FilterPolicyScope', 'Subject', 'Invalid parameter: FilterPolicyScope: Invalid value [Subject]. Please use either '
      + 'MessageBody or MessageAttributes'],
    ['FilterPolicy', '{', /^Invalid parameter: FilterPolicy: failed to parse JSON\./],
    ['FilterPolicy', '{"kind": "order"}', /^Invalid parameter: .*"kind" must be an object or an array/],
    ['RedrivePolicy', '{', 'Invalid parameter: RedrivePolicy: failed to parse JSON.'],
    ['RedrivePolicy', '{"deadLetterTargetArn": "x"}', /RedrivePolicy: deadLetterTargetArn is an invalid arn$/],
    ['ReplayPolicy', '{}', /Hearth does not support the attribute ReplayPolicy/],
    ['SubscriptionRoleArn', 'arn:aws:iam::000000000000:role/r', /SubscriptionRoleArn/],
  ]) {
    await wrong(set(SubscriptionArn, name, value), what);
  }
  assert.deepEqual(await attributes(SubscriptionArn), before);
  await wrong(ask(sns.UnsubscribeCommand, { SubscriptionArn: 'x' }), /^Invalid parameter: SubscriptionArn/);
  await remove(TopicArn);
  await refused(attributes(SubscriptionArn), sns.NotFoundException);
});

test('a subscription lets through what its filter does, and then all', async () => {
  const TopicArn = await create('js-filter');
  const [byAttribute, byBody] = [await own.queueFor(TopicArn, 'js-filter-a'), await own.queueFor(TopicArn, 'js-filter-b')];
  const raw = { RawMessageDelivery: 'true' };
  const first = await subscribe(TopicArn, byAttribute.QueueArn, {
    ...raw, FilterPolicy: '{"price": [{"numeric": [">=", 100]}]}',
  });
  const second = await subscribe(TopicArn, byBody.QueueArn, {
    ...raw, FilterPolicyScope: 'MessageBody', FilterPolicy: '{"a": {"b": [{"prefix": "x"}]}}',
  });
  assert.equal((await attributes(second)).FilterPolicyScope, 'MessageBody');
  const publish = (Message, price) => ask(sns.PublishCommand, {
    TopicArn, Message, MessageAttributes: price ? { price: { DataType: 'Number', StringValue: price } } : {},
  });
  await publish('{"a": {"b": "y"}}', '99.9');
  await publish('{"a": {"b": "xy"}}');
  await publish('text', '100');
  assert.deepEqual(bodies(await own.arrived(byAttribute, 1)), ['text']);
  assert.deepEqual(bodies(await own.arrived(byBody, 1)), ['{"a": {"b": "xy"}}']);
  await set(first, 'FilterPolicy', '{}');
  await publish('all');
  assert.deepEqual(bodies(await own.arrived(byAttribute, 1)), ['all']);
  await remove(TopicArn);
  for (const target of [byAttribute, byBody]) await own.deleteQueue(target);
});

test("another account's queue is asked, and gets nothing before it has agreed", async () => {
  const FRIEND = '676767676767';
  const theirs = subscribers(queuesOf(FRIEND));
  const askAsFriend = asker(topicsOf(FRIEND));
  const TopicArn = await create('js-consent');
  const target = await theirs.queueFor(TopicArn, 'js-consent-queue');
  const SubscriptionArn = await subscribe(TopicArn, target.QueueArn);
  const counted = async () => {
    const { Attributes } = await ask(sns.GetTopicAttributesCommand, { TopicArn });
    return [Attributes.SubscriptionsConfirmed, Attributes.SubscriptionsPending];
  };
  assert.deepEqual(await counted(), ['0', '1']);
  assert.equal((await attributes(SubscriptionArn)).PendingConfirmation, 'true');
  const [pending] = (await ask(sns.ListSubscriptionsByTopicCommand, { TopicArn })).Subscriptions;
  assert.equal(pending.SubscriptionArn, 'PendingConfirmation');
  await refused(ask(sns.UnsubscribeCommand, { SubscriptionArn }), sns.InvalidParameterException, /pending confirmation/);
  await ask(sns.PublishCommand, { TopicArn, Message: 'early' });
  const [asked] = await theirs.arrived(target, 1);
  const { Type, Token, TopicArn: of, SubscribeURL } = JSON.parse(asked.Body);
  assert.deepEqual([Type, of], ['SubscriptionConfirmation', TopicArn]);
  assert.equal(new URL(SubscribeURL).searchParams.get('Token'), Token);
  // The topic's policy says nothing of them: the token is their leave.
  const confirm = (more = {}) => askAsFriend(sns.ConfirmSubscriptionCommand, { TopicArn, Token, ...more });
  await refused(confirm({ Token: `${Token}0` }), sns.InvalidParameterException, 'Invalid parameter: Token');
  assert.deepEqual(await counted(), ['0', '1']);
  assert.equal((await confirm({ AuthenticateOnUnsubscribe: 'true' })).SubscriptionArn, SubscriptionArn);
  const byUrl = await (await fetch(SubscribeURL)).text();
  assert.ok(byUrl.includes(`<SubscriptionArn>${SubscriptionArn}<`), 'who confirms twice has confirmed once');
  assert.deepEqual(await counted(), ['1', '0']);
  const shown = await attributes(SubscriptionArn);
  assert.deepEqual([shown.PendingConfirmation, shown.ConfirmationWasAuthenticated], ['false', 'true']);
  await ask(sns.PublishCommand, { TopicArn, Message: 'now', Subject: 'About' });
  const [told] = await theirs.arrived(target, 1);
  const { Type: type, Message, Subject } = JSON.parse(told.Body);
  assert.deepEqual([type, Message, Subject], ['Notification', 'now', 'About']);
  await ask(sns.UnsubscribeCommand, { SubscriptionArn });
  assert.deepEqual(await counted(), ['0', '0']);
  await remove(TopicArn);
  await theirs.deleteQueue(target);
});

test('what cannot be delivered is a dead letter', async () => {
  const TopicArn = await create('js-undelivered');
  const dead = await own.queueFor(TopicArn, 'js-undelivered-dead');
  const nowhere = `arn:aws:sqs:us-east-1:${ACCOUNT}:js-undelivered-none`;
  await subscribe(TopicArn, nowhere, { RedrivePolicy: JSON.stringify({ deadLetterTargetArn: dead.QueueArn }) });
  await ask(sns.PublishCommand, { TopicArn, Message: 'm' });
  const [letter] = await own.arrived(dead, 1);
  assert.equal(JSON.parse(letter.Body).Message, 'm');
  await remove(TopicArn);
  await own.deleteQueue(dead);
});

test('subscriptions are listed page by page, of a topic and of an account', async () => {
  const client = topicsOf('787878787878');
  const mine = asker(client);
  const [first, second] = await Promise.all(['list-a', 'list-b'].map(async (Name) =>
    (await mine(sns.CreateTopicCommand, { Name })).TopicArn));
  const queue = (n) => `arn:aws:sqs:us-east-1:787878787878:q${String(n).padStart(3, '0')}`;
  const endpoints = Array.from({ length: 101 }, (_, n) => queue(n));
  const put = (TopicArn, Endpoint) => mine(sns.SubscribeCommand, { TopicArn, Protocol: 'sqs', Endpoint });
  await Promise.all(endpoints.map((endpoint) => put(first, endpoint)));
  await put(second, queue(0));
  const paged = async (paginator) => {
    const pages = [];
    for await (const { Subscriptions } of paginator) pages.push(Subscriptions.map(({ Endpoint }) => Endpoint));
    return [pages.map((page) => page.length), pages.flat().sort()];
  };
  assert.deepEqual(
    await paged(sns.paginateListSubscriptionsByTopic({ client }, { TopicArn: first })), [[100, 1], endpoints],
  );
  assert.deepEqual(await paged(sns.paginateListSubscriptions({ client }, {})), [[100, 2], [queue(0), ...endpoints]]);
  await mine(sns.DeleteTopicCommand, { TopicArn: first });
  const { Subscriptions } = await mine(sns.ListSubscriptionsCommand);
  assert.deepEqual(Subscriptions.map(({ TopicArn, Endpoint }) => [TopicArn, Endpoint]), [[second, queue(0)]]);
  const { Subscriptions: rest } = await mine(sns.ListSubscriptionsByTopicCommand, { TopicArn: second });
  assert.equal(rest.length, 1);
  for (const [command, more] of [
    [sns.ListSubscriptionsCommand], [sns.ListSubscriptionsByTopicCommand, { TopicArn: second }],
  ]) {
    await refused(mine(command, { NextToken: '!', ...more }), sns.InvalidParameterException, 'Invalid parameter: NextToken');
  }
  await mine(sns.DeleteTopicCommand, { TopicArn: second });
});
