// From a method to the function that calls it: which of its parameters are the event and the context, and how its types are
// read and written.

using System;
using System.IO;
using System.Reflection;
using System.Threading.Tasks;

namespace Hearth.Runtime
{
    sealed class FunctionBuilder
    {
        const string Context = "Amazon.Lambda.Core.ILambdaContext";

        readonly HandlerName name;
        readonly Serializer serializer;

        FunctionBuilder(HandlerName name, Serializer serializer)
        {
            this.name = name;
            this.serializer = serializer;
        }

        public static IFunction Build(HandlerName name, MethodInfo method, object instance, Serializer serializer)
        {
            return new FunctionBuilder(name, serializer).Build(method, instance);
        }

        IFunction Build(MethodInfo method, object instance)
        {
            ParameterInfo[] parameters = method.GetParameters();
            Type input = null, context = null;
            if (parameters.Length > 2)
            {
                throw new LambdaValidationException(
                    $"Method '{method.Name}' of type '{name.Type}' is not supported: the method has more than 2 parameters.");
            }
            if (parameters.Length == 2)
            {
                input = parameters[0].ParameterType;
                context = parameters[1].ParameterType;
                if (context.FullName != Context)
                {
                    throw new LambdaValidationException($"Method '{method.Name}' of type '{name.Type}' is not supported: the method "
                        + $"has 2 parameters, but the second parameter is not of type '{Context}'.");
                }
            }
            else if (parameters.Length == 1)
            {
                Type only = parameters[0].ParameterType;
                if (only.FullName == Context)
                {
                    context = only;
                }
                else
                {
                    input = only;
                }
            }
            Delegate read = input == null ? null : Reader(input);
            Type result = method.ReturnType == typeof(void) ? typeof(object) : method.ReturnType;
            object writer = method.ReturnType == typeof(void) ? new NothingWriter() : Writer(result);
            var binding = new Binding(method, instance, input != null, context != null);
            Func<Invocation, object> contexts = context == null ? null : InvocationContext.Factory(context, serializer?.Instance);
            return (IFunction)New(typeof(MethodFunction<,,>), new[] { input ?? typeof(object), context ?? typeof(object), result }, binding, read, contexts, writer);
        }

        Delegate Reader(Type type)
        {
            if (type == typeof(Stream))
            {
                return new Func<Stream, Stream>(input => input);
            }
            if (serializer == null)
            {
                throw Missing("deserialize input", type);
            }
            return (Delegate)Generic(typeof(Serializer).GetMethod(nameof(Serializer.Reader)), type, serializer);
        }

        object Writer(Type type)
        {
            if (typeof(Task).IsAssignableFrom(type))
            {
                Type result = ResultOfTask(type);
                return result == null ? new TaskWriter() : New(typeof(TaskWriter<>), new[] { result }, ResultWriter(result));
            }
            // AWS serialises these instead of waiting for them, which serves nobody.
            if (type == typeof(ValueTask))
            {
                return new ValueTaskWriter();
            }
            if (type.IsConstructedGenericType && type.GetGenericTypeDefinition() == typeof(ValueTask<>))
            {
                Type result = type.GenericTypeArguments[0];
                return New(typeof(ValueTaskWriter<>), new[] { result }, ResultWriter(result));
            }
            return ResultWriter(type);
        }

        object ResultWriter(Type type)
        {
            if (typeof(Stream).IsAssignableFrom(type))
            {
                return new StreamWriter();
            }
            if (serializer == null)
            {
                throw Missing("serialize output", type);
            }
            return New(typeof(ValueWriter<>), new[] { type }, serializer);
        }

        // The T of a Task<T> or of what derives from one.
        static Type ResultOfTask(Type type)
        {
            for (; type != null; type = type.BaseType)
            {
                if (type.IsConstructedGenericType && type.GetGenericTypeDefinition() == typeof(Task<>))
                {
                    return type.GenericTypeArguments[0];
                }
            }
            return null;
        }

        Exception Missing(string doing, Type type)
        {
            return new LambdaValidationException(
                $"Could not find the LambdaSerializerAttribute on the assembly '{name.Assembly}' or method '{name.Method}' while "
                + $"attempting to {doing} data of type '{type.FullName}'. To use types other than System.IO.Stream as input/output "
                + $"parameters, the assembly or Lambda function should be annotated with {Serializer.Attribute}.");
        }

        static object New(Type definition, Type[] arguments, params object[] values)
        {
            ConstructorInfo constructor = definition.MakeGenericType(arguments).GetConstructors()[0];
            return constructor.Invoke(BindingFlags.DoNotWrapExceptions, null, values, null);
        }

        static object Generic(MethodInfo definition, Type argument, object instance)
        {
            return definition.MakeGenericMethod(argument).Invoke(instance, BindingFlags.DoNotWrapExceptions, null, null, null);
        }
    }
}
