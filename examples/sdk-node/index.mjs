// Lists the functions of its own account and region, with the AWS SDK that the runtime brings.

import { LambdaClient, paginateListFunctions } from '@aws-sdk/client-lambda';

const client = new LambdaClient({});

export const handler = async () => {
  const names = [];
  for await (const page of paginateListFunctions({ client }, {})) {
    for (const { FunctionName } of page.Functions) names.push(FunctionName);
  }
  return { functions: names.sort() };
};
