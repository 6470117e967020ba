// What is wrong with a function before it is called. Its name is what callers are told as `errorType`, as on AWS.

using System;

namespace Hearth.Runtime
{
    sealed class LambdaValidationException : Exception
    {
        public LambdaValidationException(string message)
            : base(message)
        {
        }
    }
}
