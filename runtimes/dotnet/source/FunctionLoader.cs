// Finds what the handler's name means, makes the instance it is called on, and the serializer that the function asks for.
//
// The package's assemblies are in the process's own load context: the host has read their `.deps.json`. Whatever is wrong is
// told in the words of AWS's runtime.

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;

namespace Hearth.Runtime
{
    static class FunctionLoader
    {
        const BindingFlags Declared = BindingFlags.DeclaredOnly | BindingFlags.NonPublic | BindingFlags.Public
            | BindingFlags.Instance | BindingFlags.Static;

        public static IFunction Load(string handler)
        {
            var name = new HandlerName(handler);
            FunctionLog.TakeOver();
            Assembly assembly = LoadAssembly(name);
            Type type = assembly.GetType(name.Type) ?? throw new LambdaValidationException(
                $"Unable to load type '{name.Type}' from assembly '{name.Assembly}'.");
            MethodInfo method = Find(type, name) ?? throw new LambdaValidationException(
                $"Unable to find method '{name.Method}' in type '{name.Type}' from assembly '{name.Assembly}': "
                + $"Found no methods matching method name '{name.Method}'.");
            Check(method);
            object instance = Instance(type, method);
            return FunctionBuilder.Build(name, method, instance, Serializer.Find(method, assembly));
        }

        static Assembly LoadAssembly(HandlerName name)
        {
            try
            {
                return AssemblyLoadContext.Default.LoadFromAssemblyName(name.Assembly);
            }
            catch (FileNotFoundException missing)
            {
                throw new LambdaValidationException(
                    $"Could not find the specified handler assembly with the file name '{missing.FileName}'. "
                    + "The assembly should be located in the root of your uploaded .zip file.");
            }
            catch (Exception)
            {
                throw new LambdaValidationException($"Unable to load assembly '{name.Assembly}'.");
            }
        }

        // By its name alone: a signature has spaces, which no handler may have.
        static MethodInfo Find(Type type, HandlerName name)
        {
            for (Type at = type; at != null; at = at.BaseType)
            {
                try
                {
                    MethodInfo method = at.GetMethod(name.Method, Declared);
                    if (method != null)
                    {
                        return method;
                    }
                }
                catch (AmbiguousMatchException)
                {
                    throw Overloaded(at, name);
                }
            }
            return null;
        }

        static Exception Overloaded(Type type, HandlerName name)
        {
            IEnumerable<string> candidates = type.GetMethods(Declared).Where(method => method.Name == name.Method).Select(method => method.ToString());
            return new LambdaValidationException(
                $"The method '{name.Method}' in type '{type.FullName}' appears to have a number of overloads. To call this method "
                + "please specify a complete method signature. Possible candidates are:\n" + string.Join("\n", candidates) + ".");
        }

        static void Check(MethodInfo method)
        {
            string refused = $"The method '{method}' cannot be used as a Lambda Handler because it is ";
            if (method.IsAbstract)
            {
                throw new LambdaValidationException(
                    refused + "an abstract method. Handler methods cannot be abstract. Please specify a non-abstract handler method.");
            }
            if (method.IsGenericMethod)
            {
                throw new LambdaValidationException(
                    refused + "a generic method. Handler methods cannot be generic. Please specify a non-generic handler method.");
            }
            // AWS: nobody could tell when such a method is done.
            if (method.ReturnType == typeof(void) && method.IsDefined(typeof(AsyncStateMachineAttribute)))
            {
                throw new LambdaValidationException(refused + "an 'async void' method. Handler methods cannot be 'async void'. "
                    + "Please specify a method that is not 'async void'.");
            }
            if (method.GetParameters().LastOrDefault()?.IsDefined(typeof(ParamArrayAttribute)) == true)
            {
                throw new LambdaValidationException(refused + "a 'params' method. Please specify a method that does not use 'params'.");
            }
            if ((method.CallingConvention & CallingConventions.VarArgs) == CallingConventions.VarArgs)
            {
                throw new LambdaValidationException(
                    refused + "a 'vararg (variable arguments)' method. Please specify a method that is not 'vararg'.");
            }
        }

        // What the method is called on; null for a static one.
        static object Instance(Type type, MethodInfo method)
        {
            if (type.IsGenericType)
            {
                throw new LambdaValidationException($"The type '{type.FullName}' cannot be used as a Lambda Handler type because it is "
                    + "generic. Handler methods cannot be located in generic types. Please specify a handler method in a non-generic type.");
            }
            if (!method.IsStatic && type.IsAbstract)
            {
                throw new LambdaValidationException($"The instance method '{method}' cannot be used as a Lambda Handler because its type "
                    + $"'{type.FullName}' is abstract. Please either use a static handler or specify a type that is not abstract.");
            }
            bool isStructure = type.IsValueType && !type.IsPrimitive && !type.IsEnum;
            if (!type.IsClass && !isStructure)
            {
                throw new LambdaValidationException($"The type '{type.FullName}' cannot be used as a handler type since it is not a "
                    + "class or a struct. Please specify a handler method on a class or struct.");
            }
            if (!method.IsStatic)
            {
                return Activator.CreateInstance(type);
            }
            // Now, within the initialisation, and not when it is first called.
            RuntimeHelpers.RunClassConstructor(type.TypeHandle);
            return null;
        }
    }
}
