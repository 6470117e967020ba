// The handler's name in its parts: `Assembly::Namespace.Type::Method`.
// https://docs.aws.amazon.com/lambda/latest/dg/csharp-handler.html

using System;
using System.Reflection;

namespace Hearth.Runtime
{
    sealed class HandlerName
    {
        const string Format = " The valid format is 'ASSEMBLY::TYPE::METHOD'.";

        public AssemblyName Assembly { get; }

        public string Type { get; }

        public string Method { get; }

        public HandlerName(string handler)
        {
            if (string.IsNullOrEmpty(handler))
            {
                throw new LambdaValidationException("Empty lambda function handler." + Format);
            }
            string[] parts = handler.Split(new[] { "::" }, 3, StringSplitOptions.None);
            if (parts.Length != 3)
            {
                throw new LambdaValidationException("Invalid lambda function handler: '" + handler + "'." + Format);
            }
            Assembly = new AssemblyName(Given(handler, parts[0], "assembly"));
            Type = Given(handler, parts[1], "type");
            Method = Given(handler, parts[2], "method");
        }

        static string Given(string handler, string part, string name)
        {
            if (string.IsNullOrWhiteSpace(part))
            {
                throw new LambdaValidationException("Invalid lambda function handler: '" + handler + "', the " + name + " is missing." + Format);
            }
            return part.Trim();
        }
    }
}
