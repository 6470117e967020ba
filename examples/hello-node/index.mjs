// Greets whoever the event names, and says how much time was left.

export const handler = async (event, context) => {
  const name = event.name ?? 'world';
  console.log('greeting', name);
  return {
    message: `Hello, ${name}!`,
    function: context.functionName,
    requestId: context.awsRequestId,
    remainingMillis: context.getRemainingTimeInMillis(),
  };
};
