# frozen_string_literal: true

# A stem cell: a runtime that has started and knows of no function. It waits until it is told its environment variables,
# and is then as if it had started with them.
#
# Before it waits it compiles what the runtime loads, which is most of what is left of a start, and loads none of it:
# a function may bring its own `json` or `logger`, as a gem or as a file, and is to get what it would have got. It
# refuses to leave anything of the cell behind.

module AwsLambda
  # What becomes a function.
  module Cell
    # What a file loads, or may load. One too many is compiled in vain, one too few is compiled later.
    REQUIRES = /^\s*require(_relative)? ?\(?['"]([^'"]+)['"]/

    module_function

    # Runs the block, which loads the runtime. A stem cell, which has no handler, waits before that.
    def become_function
      return yield if ENV.key?('_HANDLER')

      compiled = {}
      Dir["#{__dir__}/*.rb"].each { |path| compile(path, compiled) }
      wait
      loading(compiled) { yield }
    end

    # A file, and then those that it loads.
    def compile(path, compiled)
      return if compiled.key?(path)

      compiled[path] = RubyVM::InstructionSequence.compile_file(path)
      File.binread(path).scan(REQUIRES) do |relative, name|
        name = File.expand_path(name, File.dirname(path)) if relative
        kind, found = $LOAD_PATH.resolve_feature_path(name)
        compile(found, compiled) if kind == :rb
      end
    end

    def wait
      line = IO.for_fd(Integer(ENV['_HEARTH_STEM']), 'r+b')
      # Before it is known that we wait: the memory that the variables were in is written anew.
      ENV.clear
      # What was needed until now would be collected in the function's time.
      GC.start
      line.syswrite('w')
      block = line.read
      line.close
      exit!(0) if block.empty?
      block.split("\0").each { |entry| ENV.store(*entry.split('=', 2)) }
      Dir.chdir(ENV.fetch('LAMBDA_TASK_ROOT'))
      forget_paths
    end

    # What Ruby and RubyGems know of directories that were empty.
    def forget_paths
      # Ruby looks anew where the links in it lead once it has been changed.
      $LOAD_PATH.map!(&:itself)
      Gem.clear_paths
      # By HOME, like the others that are cleared: from Ruby 3.2 on it is found when Ruby starts.
      Gem.instance_variable_set(:@cache_home, nil) if Gem.instance_variable_defined?(:@cache_home)
    end

    # What was compiled is taken where Ruby would compile the same file.
    def loading(compiled)
      sequences = RubyVM::InstructionSequence.singleton_class
      sequences.define_method(:load_iseq) { |path| compiled.delete(path) }
      yield
    ensure
      sequences.remove_method(:load_iseq)
    end
  end
end
