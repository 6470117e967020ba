// Speaks the Runtime API over one kept connection: HTTP/1.1 by hand, since .NET's own client takes longer to load than all
// else here. It refuses answers that are not framed by Content-Length.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Hearth.Runtime
{
    // One invocation: its headers, by their names in lower case, and its event.
    sealed class Invocation
    {
        readonly Dictionary<string, string> headers;

        public Invocation(Dictionary<string, string> headers, byte[] body)
        {
            this.headers = headers;
            Body = body;
        }

        public byte[] Body { get; }

        public string Id => this["lambda-runtime-aws-request-id"];

        // A header, or null.
        public string this[string name] => headers.TryGetValue(name, out string value) ? value : null;
    }

    sealed class RuntimeClient
    {
        const string Root = "/2018-06-01/runtime/";
        const string Json = "application/json";
        const string ErrorJson = "application/vnd.aws.lambda.error+json";
        static readonly byte[] Nothing = new byte[0];

        readonly string address;
        Socket socket;
        BufferedStream stream;

        public RuntimeClient(string address)
        {
            this.address = address;
        }

        // Blocks until there is one.
        public Invocation Next()
        {
            Answer answer = Exchange(Head("GET", "invocation/next"), Nothing, 0);
            if (answer.Status != 200)
            {
                throw new IOException("the Runtime API answered " + answer.Status + " when asked for the next invocation");
            }
            return new Invocation(answer.Headers, answer.Body);
        }

        public void PostResponse(string id, MemoryStream body)
        {
            // What the answer's status says, such as that it was too large, is the platform's to report.
            Post("invocation/" + id + "/response", Json, null, body.GetBuffer(), (int)body.Length);
        }

        public void PostError(string id, byte[] document, string type)
        {
            Post("invocation/" + id + "/error", ErrorJson, type, document, document.Length);
        }

        public void PostInitError(byte[] document)
        {
            Post("init/error", ErrorJson, null, document, document.Length);
        }

        struct Answer
        {
            public int Status;
            public Dictionary<string, string> Headers;
            public byte[] Body;
        }

        StringBuilder Head(string method, string path)
        {
            var head = new StringBuilder(256);
            head.Append(method).Append(' ').Append(Root).Append(path).Append(" HTTP/1.1\r\nHost: ").Append(address);
            return head.Append("\r\nUser-Agent: aws-lambda-dotnet/").Append(Environment.Version).Append("-hearth\r\n");
        }

        void Post(string path, string contentType, string errorType, byte[] body, int length)
        {
            StringBuilder head = Head("POST", path).Append("Content-Type: ").Append(contentType);
            head.Append("\r\nContent-Length: ").Append(length.ToString(CultureInfo.InvariantCulture)).Append("\r\n");
            if (errorType != null)
            {
                head.Append("Lambda-Runtime-Function-Error-Type: ").Append(errorType).Append("\r\n");
            }
            Exchange(head, body, length);
        }

        Answer Exchange(StringBuilder head, byte[] body, int length)
        {
            byte[] start = Encoding.UTF8.GetBytes(head.Append("\r\n").ToString());
            bool kept = socket != null;
            while (true)
            {
                try
                {
                    if (socket == null)
                    {
                        Connect();
                    }
                    stream.Write(start, 0, start.Length);
                    stream.Write(body, 0, length);
                    stream.Flush();
                    return Read();
                }
                catch (Exception broken) when (broken is IOException || broken is SocketException)
                {
                    Disconnect();
                    // A kept connection may have been closed while nothing was said. A new one that breaks is broken.
                    if (!kept)
                    {
                        throw;
                    }
                    kept = false;
                }
            }
        }

        void Connect()
        {
            int colon = address.LastIndexOf(':');
            string host = address.Substring(0, colon);
            int port = int.Parse(address.Substring(colon + 1), CultureInfo.InvariantCulture);
            // A number is not looked up, and nothing is loaded to do so.
            bool isNumber = IPAddress.TryParse(host, out IPAddress number);
            EndPoint end = isNumber ? (EndPoint)new IPEndPoint(number, port) : new DnsEndPoint(host, port);
            AddressFamily family = isNumber ? number.AddressFamily : AddressFamily.InterNetwork;
            socket = new Socket(family, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            socket.Connect(end);
            stream = new BufferedStream(new NetworkStream(socket), 16 * 1024);
        }

        void Disconnect()
        {
            socket?.Dispose();
            socket = null;
        }

        Answer Read()
        {
            string status = Line();
            var headers = new Dictionary<string, string>(StringComparer.Ordinal);
            for (string line = Line(); line.Length > 0; line = Line())
            {
                int colon = line.IndexOf(':');
                headers[line.Substring(0, colon).ToLowerInvariant()] = line.Substring(colon + 1).Trim();
            }
            int length = headers.TryGetValue("content-length", out string told) ? int.Parse(told, CultureInfo.InvariantCulture) : 0;
            var body = new byte[length];
            for (int read = 0; read < length;)
            {
                int more = stream.Read(body, read, length - read);
                if (more == 0)
                {
                    throw new EndOfStreamException("the Runtime API ended the connection within a body");
                }
                read += more;
            }
            if (headers.TryGetValue("connection", out string connection) && connection.Equals("close", StringComparison.OrdinalIgnoreCase))
            {
                Disconnect();
            }
            return new Answer { Status = int.Parse(status.Substring(9, 3), CultureInfo.InvariantCulture), Headers = headers, Body = body };
        }

        string Line()
        {
            var line = new MemoryStream(128);
            for (int octet = stream.ReadByte(); octet != '\n'; octet = stream.ReadByte())
            {
                if (octet < 0)
                {
                    throw new EndOfStreamException("the Runtime API ended the connection");
                }
                if (octet != '\r')
                {
                    line.WriteByte((byte)octet);
                }
            }
            return Encoding.UTF8.GetString(line.GetBuffer(), 0, (int)line.Length);
        }
    }
}
