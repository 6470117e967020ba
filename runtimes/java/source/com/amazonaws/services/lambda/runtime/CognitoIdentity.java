package com.amazonaws.services.lambda.runtime;

/** The Amazon Cognito identity that a mobile SDK called with. */
public interface CognitoIdentity {
    /** The identity's id. */
    String getIdentityId();

    /** The id of the identity's pool. */
    String getIdentityPoolId();
}
