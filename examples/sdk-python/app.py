"""Lists the functions of its own account and region, with the AWS SDK that the runtime brings."""

import boto3

client = boto3.client("lambda")


def handler(event, context):
    names = [
        function["FunctionName"]
        for page in client.get_paginator("list_functions").paginate()
        for function in page["Functions"]
    ]
    return {"functions": sorted(names), "boto3": boto3.__version__}
