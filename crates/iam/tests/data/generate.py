"""Writes botocore.json: requests signed by botocore, against which the verification is tested.

Run with botocore installed: python3 generate.py > botocore.json
"""

import datetime
import json
from unittest import mock

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

NOW = datetime.datetime(2026, 11, 23, 7, 30, 0)
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
FORM = "application/x-www-form-urlencoded; charset=utf-8"

CASES = [
    ("get", "lambda", "GET", "/2015-03-31/functions/", {}, ""),
    ("arn in the path", "lambda", "POST",
     "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af/invocations",
     {"X-Amz-Log-Type": "Tail"}, '{"key": "w\u00e9rt"}'),
    ("query", "lambda", "GET", "/2015-03-31/functions/?MaxItems=50&Marker=a%2Fb%3D%20c&FunctionVersion=ALL", {}, ""),
    ("query without values", "lambda", "GET", "/2017-03-31/tags/x?tagKeys=b&tagKeys=a&z=&y=", {}, ""),
    ("target header", "logs", "POST", "/", {
        "X-Amz-Target": "Logs_20140328.DescribeLogGroups", "Content-Type": "application/x-amz-json-1.1"}, "{}"),
    ("blanks in headers", "logs", "POST", "/", {"X-Amz-Meta": "  a   b \t c  "}, "{}"),
    ("form", "sts", "POST", "/", {"Content-Type": FORM}, "Action=GetCallerIdentity&Version=2011-06-15"),
    ("dots and slashes", "lambda", "GET", "//a/./b/../c//", {}, ""),
    ("unreserved and reserved", "lambda", "GET", "/-._~/%21%24%26%27%28%29%2A%2B%2C%3B%3D%40?q=%21%2A%27%28%29~", {}, ""),
    ("s3 key", "s3", "GET", "/bucket/a%20b/%C3%BC%2B.txt?versionId=x", {}, ""),
    ("s3 slashes", "s3", "PUT", "/bucket//a/../b", {}, "body"),
]

SIGNERS = {
    "header": auth.SigV4Auth,
    "query": auth.SigV4QueryAuth,
    "s3 header": auth.S3SigV4Auth,
    "s3 query": auth.S3SigV4QueryAuth,
}


def sign(name, signer, case):
    _, service, method, path, headers, body = case
    request = AWSRequest(method=method, url="http://127.0.0.1:4566" + path, headers=dict(headers), data=body.encode() or None)
    credentials = Credentials(KEY, SECRET)
    signer(credentials, service, "eu-west-1").add_auth(request)
    url = request.url[len("http://127.0.0.1:4566"):]
    sent = {key: value for key, value in request.headers.items()}
    sent.setdefault("Host", "127.0.0.1:4566")
    return {"name": name, "method": method, "url": url, "headers": sent, "body": body}


def main():
    vectors = []
    with mock.patch("botocore.auth.get_current_datetime", return_value=NOW):
        for case in CASES:
            kinds = ["s3 header", "s3 query"] if case[1] == "s3" else ["header", "query"]
            # botocore presigns requests with a body only by moving a form into the query.
            for kind in kinds if not case[5] else kinds[:1]:
                vectors.append(sign(f"{case[0]}, {kind}", SIGNERS[kind], case))
    print(json.dumps(vectors, indent=1, ensure_ascii=True))


main()
