// A handler method made callable: its event read, its context made, its answer awaited and written.
//
// Every method is bound to a delegate of its own types, so that nothing of this runtime stands between it and what it throws.

using System;
using System.IO;
using System.Reflection;
using System.Threading.Tasks;

namespace Hearth.Runtime
{
    interface IFunction
    {
        void Call(Stream input, Invocation invocation, Stream output);
    }

    // Writes what a handler returned.
    interface IWriter<in T>
    {
        void Write(T value, Stream output);
    }

    sealed class MethodFunction<TIn, TContext, TOut> : IFunction
        where TContext : class
    {
        readonly Func<TIn, TContext, TOut> call;
        readonly Func<Stream, TIn> read;
        readonly Func<Invocation, object> context;
        readonly IWriter<TOut> writer;

        public MethodFunction(Binding binding, Delegate read, Func<Invocation, object> context, object writer)
        {
            call = Bind(binding);
            this.read = (Func<Stream, TIn>)read;
            this.context = context;
            this.writer = (IWriter<TOut>)writer;
        }

        public void Call(Stream input, Invocation invocation, Stream output)
        {
            TIn value = read == null ? default(TIn) : read(input);
            writer.Write(call(value, (TContext)context?.Invoke(invocation)), output);
        }

        static Func<TIn, TContext, TOut> Bind(Binding binding)
        {
            if (binding.IsVoid)
            {
                Action<TIn, TContext> act = BindVoid(binding);
                return (input, context) =>
                {
                    act(input, context);
                    return default(TOut);
                };
            }
            if (binding.HasInput && binding.HasContext)
            {
                return binding.To<Func<TIn, TContext, TOut>>();
            }
            if (binding.HasInput)
            {
                var ofInput = binding.To<Func<TIn, TOut>>();
                return (input, context) => ofInput(input);
            }
            if (binding.HasContext)
            {
                var ofContext = binding.To<Func<TContext, TOut>>();
                return (input, context) => ofContext(context);
            }
            var ofNothing = binding.To<Func<TOut>>();
            return (input, context) => ofNothing();
        }

        static Action<TIn, TContext> BindVoid(Binding binding)
        {
            if (binding.HasInput && binding.HasContext)
            {
                return binding.To<Action<TIn, TContext>>();
            }
            if (binding.HasInput)
            {
                var ofInput = binding.To<Action<TIn>>();
                return (input, context) => ofInput(input);
            }
            if (binding.HasContext)
            {
                var ofContext = binding.To<Action<TContext>>();
                return (input, context) => ofContext(context);
            }
            var ofNothing = binding.To<Action>();
            return (input, context) => ofNothing();
        }
    }

    // A method, what it is called on, and which of the possible parameters it has.
    sealed class Binding
    {
        readonly MethodInfo method;
        readonly object instance;

        public Binding(MethodInfo method, object instance, bool hasInput, bool hasContext)
        {
            this.method = method;
            this.instance = instance;
            HasInput = hasInput;
            HasContext = hasContext;
        }

        public bool HasInput { get; }

        public bool HasContext { get; }

        public bool IsVoid => method.ReturnType == typeof(void);

        public T To<T>()
        {
            return (T)(object)(instance == null ? method.CreateDelegate(typeof(T)) : method.CreateDelegate(typeof(T), instance));
        }
    }

    sealed class NothingWriter : IWriter<object>
    {
        public void Write(object value, Stream output)
        {
        }
    }

    sealed class StreamWriter : IWriter<Stream>
    {
        public void Write(Stream value, Stream output)
        {
            value.CopyTo(output);
        }
    }

    sealed class ValueWriter<T> : IWriter<T>
    {
        readonly Action<T, Stream> write;

        public ValueWriter(Serializer serializer)
        {
            write = serializer.Writer<T>();
        }

        public void Write(T value, Stream output)
        {
            write(value, output);
        }
    }

    sealed class TaskWriter : IWriter<Task>
    {
        public void Write(Task value, Stream output)
        {
            value.GetAwaiter().GetResult();
        }
    }

    sealed class TaskWriter<T> : IWriter<Task<T>>
    {
        readonly IWriter<T> result;

        public TaskWriter(object result)
        {
            this.result = (IWriter<T>)result;
        }

        public void Write(Task<T> value, Stream output)
        {
            result.Write(value.GetAwaiter().GetResult(), output);
        }
    }

    sealed class ValueTaskWriter : IWriter<ValueTask>
    {
        public void Write(ValueTask value, Stream output)
        {
            value.AsTask().GetAwaiter().GetResult();
        }
    }

    sealed class ValueTaskWriter<T> : IWriter<ValueTask<T>>
    {
        readonly IWriter<T> result;

        public ValueTaskWriter(object result)
        {
            this.result = (IWriter<T>)result;
        }

        public void Write(ValueTask<T> value, Stream output)
        {
            result.Write(value.AsTask().GetAwaiter().GetResult(), output);
        }
    }
}
