/**
 * What Java functions are compiled against. The names and shapes are those of AWS's `aws-lambda-java-core`; as on AWS the
 * runtime's own copy is used, so a function need not bring one.
 *
 * <p>It refuses to hold anything that the public interfaces do not have.
 */
package com.amazonaws.services.lambda.runtime;
