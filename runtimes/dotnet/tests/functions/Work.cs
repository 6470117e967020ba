// Files, threads, processes, sockets and memory: what .NET asks of the kernel while it works, for the test of the system calls.

using System;
using System.Diagnostics;
using System.IO;
using System.IO.Compression;
using System.IO.MemoryMappedFiles;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;

public static class Work
{
    public static void Main(string[] arguments)
    {
        Files();
        Maps();
        Machine();
        Task.WhenAll(Enumerable.Range(0, 50).Select(number => Task.Run(() => Thread.Sleep(1)))).Wait();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Sockets().Wait();
        Console.WriteLine("done");
    }

    static void Files()
    {
        Directory.CreateDirectory("d/e");
        File.WriteAllText("d/f", "x");
        File.AppendAllText("d/f", "y");
        File.Copy("d/f", "d/g");
        File.Move("d/g", "d/h");
        File.SetLastWriteTimeUtc("d/f", DateTime.UtcNow);
        foreach (string entry in Directory.GetFileSystemEntries("d"))
        {
            File.GetAttributes(entry);
        }
        File.Delete("d/h");
        Directory.Delete("d", true);
        using (var file = new FileStream("m", FileMode.Create, FileAccess.ReadWrite, FileShare.None))
        {
            file.SetLength(100);
            file.Flush(true);
            file.Lock(0, 1);
            file.Unlock(0, 1);
        }
        using (var watcher = new FileSystemWatcher("."))
        {
            watcher.EnableRaisingEvents = true;
            File.WriteAllText("n", "x");
            Thread.Sleep(20);
        }
        using (var zip = new GZipStream(new MemoryStream(), CompressionLevel.Fastest))
        {
            zip.WriteByte(1);
        }
    }

    static void Maps()
    {
        using (MemoryMappedFile map = MemoryMappedFile.CreateFromFile("m"))
        using (MemoryMappedViewAccessor view = map.CreateViewAccessor())
        {
            view.Write(0, 1);
        }
        using (MemoryMappedFile map = MemoryMappedFile.CreateNew(null, 4096))
        using (MemoryMappedViewAccessor view = map.CreateViewAccessor())
        {
            view.Write(0, 1);
        }
    }

    static void Machine()
    {
        Console.Out.Write(DateTime.Now.Ticks + Environment.ProcessorCount + Environment.WorkingSet);
        Console.Out.Write(Environment.MachineName + Environment.UserName);
        Thread.CurrentThread.Priority = ThreadPriority.Lowest;
        Process own = Process.GetCurrentProcess();
        Console.Out.Write(own.TotalProcessorTime);
        var start = new ProcessStartInfo("cat") { RedirectStandardInput = true, RedirectStandardOutput = true };
        using (Process cat = Process.Start(start))
        {
            cat.StandardInput.Write("x");
            cat.StandardInput.Close();
            cat.StandardOutput.ReadToEnd();
            cat.WaitForExit();
        }
    }

    static async Task Sockets()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using (var client = new TcpClient())
        {
            Task<TcpClient> accepted = listener.AcceptTcpClientAsync();
            await client.ConnectAsync(IPAddress.Loopback, ((IPEndPoint)listener.LocalEndpoint).Port);
            using (TcpClient server = await accepted)
            {
                await server.GetStream().WriteAsync(new byte[] { 1 }, 0, 1);
                await client.GetStream().ReadAsync(new byte[1], 0, 1);
            }
        }
        listener.Stop();
        using (var datagrams = new UdpClient(0))
        {
            datagrams.Send(new byte[] { 1 }, 1, "127.0.0.1", ((IPEndPoint)datagrams.Client.LocalEndPoint).Port);
        }
        Dns.GetHostAddresses("localhost");
        try
        {
            await new HttpClient().GetAsync("http://127.0.0.1:9/");
        }
        catch (HttpRequestException)
        {
            // Nobody listens there.
        }
    }
}
