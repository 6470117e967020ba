"""A nightly report: counts what lies in a queue, and says for which night."""

import json
import os

import boto3

sqs = boto3.client("sqs")


def handler(event, context):
    # EventBridge gives the time at which the rule was due, so that a report that is tried again is for the same night.
    url = sqs.get_queue_url(QueueName=os.environ["QUEUE"])["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
    report = {"night": event["time"], "orders": int(attributes["ApproximateNumberOfMessages"])}
    print("report", json.dumps(report))
    return report
