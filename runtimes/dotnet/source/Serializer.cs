// The serializer that a function names with `LambdaSerializerAttribute` on its method or assembly. Its interface is that of the
// `Amazon.Lambda.Core` in the package, whichever version that is, and so known here by names only.

using System;
using System.IO;
using System.Linq;
using System.Reflection;

namespace Hearth.Runtime
{
    sealed class Serializer
    {
        public const string Attribute = "Amazon.Lambda.Core.LambdaSerializerAttribute";
        const string Interface = "Amazon.Lambda.Core.ILambdaSerializer";

        readonly InterfaceMapping methods;

        Serializer(object instance, Type implemented)
        {
            Instance = instance;
            methods = instance.GetType().GetInterfaceMap(implemented);
        }

        public object Instance { get; }

        // That of the method, or else of the assembly; null when neither names one.
        public static Serializer Find(MethodInfo method, Assembly assembly)
        {
            object attribute = method.GetCustomAttributes(true).SingleOrDefault(IsSerializer)
                ?? assembly.GetCustomAttributes(true).SingleOrDefault(IsSerializer);
            return attribute == null ? null : Create(attribute);
        }

        static bool IsSerializer(object attribute)
        {
            for (Type type = attribute.GetType(); type != null; type = type.BaseType)
            {
                if (type.FullName == Attribute)
                {
                    return true;
                }
            }
            return false;
        }

        static Serializer Create(object attribute)
        {
            string named = attribute.GetType().FullName;
            PropertyInfo property = attribute.GetType().GetProperty("SerializerType") ?? throw new LambdaValidationException(
                $"The '{named}' class is invalid: no 'SerializerType' property detected.");
            if (!typeof(Type).IsAssignableFrom(property.PropertyType))
            {
                throw new LambdaValidationException(
                    $"The '{named}' class is invalid: 'SerializerType' property cannot be converted to type '{typeof(Type).FullName}'.");
            }
            Type type = (Type)property.GetValue(attribute) ?? throw new LambdaValidationException(
                $"The 'SerializerType' property on attribute class '{named}' is not set.");
            ConstructorInfo constructor = type.GetConstructor(Type.EmptyTypes) ?? throw new LambdaValidationException(
                $"The indicated serializer '{type.FullName}' does not define a public zero-parameter constructor.");
            Type implemented = type.GetInterface(Interface) ?? throw new LambdaValidationException(
                $"The '{type.FullName}' class is invalid: it does not implement the 'ILambdaSerializer' interface.");
            return new Serializer(constructor.Invoke(null), implemented);
        }

        public Func<Stream, T> Reader<T>()
        {
            return (Func<Stream, T>)Bind("Deserialize", typeof(T), typeof(Func<Stream, T>));
        }

        public Action<T, Stream> Writer<T>()
        {
            return (Action<T, Stream>)Bind("Serialize", typeof(T), typeof(Action<T, Stream>));
        }

        Delegate Bind(string name, Type type, Type shape)
        {
            int index = Array.FindIndex(methods.InterfaceMethods, method => method.Name == name);
            return Delegate.CreateDelegate(shape, Instance, methods.TargetMethods[index].MakeGenericMethod(type));
        }
    }
}
