// A stand-in for AWS's package Amazon.Lambda.Core, which tests cannot fetch: the public shape of its interfaces and attributes,
// and the fields of LambdaLogger that runtimes set. It has what functions under test use and nothing that does any work.
//
// In AWS's own, the methods of ILambdaLogger that name a level have a default; the compiler of the tests knows none.

using System;
using System.Collections.Generic;
using System.IO;

namespace Amazon.Lambda.Core
{
    public enum LogLevel
    {
        Trace,
        Debug,
        Information,
        Warning,
        Error,
        Critical,
    }

    public interface ILambdaContext
    {
        string AwsRequestId { get; }

        IClientContext ClientContext { get; }

        string FunctionName { get; }

        string FunctionVersion { get; }

        ICognitoIdentity Identity { get; }

        string InvokedFunctionArn { get; }

        ILambdaLogger Logger { get; }

        string LogGroupName { get; }

        string LogStreamName { get; }

        int MemoryLimitInMB { get; }

        TimeSpan RemainingTime { get; }

        string TraceId { get; }
    }

    public interface IClientContext
    {
        IDictionary<string, string> Environment { get; }

        IClientApplication Client { get; }

        IDictionary<string, string> Custom { get; }
    }

    public interface IClientApplication
    {
        string AppPackageName { get; }

        string AppTitle { get; }

        string AppVersionCode { get; }

        string AppVersionName { get; }

        string InstallationId { get; }
    }

    public interface ICognitoIdentity
    {
        string IdentityId { get; }

        string IdentityPoolId { get; }
    }

    public interface ILambdaLogger
    {
        void Log(string message);

        void LogLine(string message);

        void Log(LogLevel level, string message);

        void Log(string level, string message, params object[] args);

        void Log(LogLevel level, Exception exception, string message, params object[] args);

        void LogTrace(string message);

        void LogDebug(string message);

        void LogInformation(string message);

        void LogInformation(string message, params object[] args);

        void LogWarning(string message);

        void LogError(string message);

        void LogError(Exception exception, string message, params object[] args);

        void LogCritical(string message);
    }

    public interface ILambdaSerializer
    {
        T Deserialize<T>(Stream requestStream);

        void Serialize<T>(T response, Stream responseStream);
    }

    [AttributeUsage(AttributeTargets.Method | AttributeTargets.Assembly, AllowMultiple = false)]
    public class LambdaSerializerAttribute : Attribute
    {
        public LambdaSerializerAttribute(Type serializerType)
        {
            SerializerType = serializerType;
        }

        public Type SerializerType { get; set; }
    }

    public static class LambdaLogger
    {
        static Action<string> _loggingAction = Console.WriteLine;
        static Action<string, string, object[]> _loggingWithLevelAction = (level, message, args) => Console.WriteLine(message);
        static Action<string, Exception, string, object[]> _loggingWithLevelAndExceptionAction = (level, exception, message, args) => Console.WriteLine(message);

        public static void Log(string message)
        {
            _loggingAction(message);
        }

        public static void Log(LogLevel level, string message, params object[] args)
        {
            _loggingWithLevelAction(level.ToString(), message, args);
        }

        public static void Log(LogLevel level, Exception exception, string message, params object[] args)
        {
            _loggingWithLevelAndExceptionAction(level.ToString(), exception, message, args);
        }
    }
}
