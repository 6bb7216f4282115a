# SPDX-License-Identifier: MIT
# Run by ruby.py: Ruby's own extensions and Debian's native gems, each required and used.
def show(name, *libraries)
  libraries.each { |library| require library }
  puts "#{name}: #{yield}"
rescue LoadError, StandardError => e
  puts "#{name} fails: #{e.class}: #{e.message.lines.first}"
end

show('json', 'json') { JSON.generate('a' => [1, nil, 2.5]) + JSON.parse('[1]').to_s }
show('openssl', 'openssl') { OpenSSL::Digest::SHA256.hexdigest('text') }
show('psych', 'yaml') { YAML.load("a: [1, 2]").to_s }
show('zlib', 'zlib') { Zlib::Inflate.inflate(Zlib::Deflate.deflate('text' * 9)).size }
show('bigdecimal', 'bigdecimal') { (BigDecimal('0.1') + BigDecimal('0.2')).to_s }
show('date', 'date') { (Date.new(2024, 2, 28) + 2).to_s }
show('digest', 'digest') { Digest::MD5.hexdigest('text') }
show('socket', 'socket') do
  server = TCPServer.new('127.0.0.1', 0)
  peer = Thread.new { s = server.accept; s.puts(s.gets.upcase); s.close }
  client = TCPSocket.new('127.0.0.1', server.addr[1])
  client.puts('hello')
  line = client.gets
  peer.join
  line.inspect
end
show('fiddle', 'fiddle') do
  libm = Fiddle.dlopen('libm.so.6')
  cos = Fiddle::Function.new(libm['cos'], [Fiddle::TYPE_DOUBLE], Fiddle::TYPE_DOUBLE)
  cos.call(1.0).round(6)
end
show('ripper', 'ripper') { Ripper.sexp('1 + 2').flatten.size }
show('strscan', 'strscan') { StringScanner.new('ab12').scan(/[a-z]+/) }
show('pty', 'pty') { PTY.spawn('echo terminal') { |r, _, _| break r.gets.strip } }
show('nkf', 'nkf') { NKF.nkf('-w', 'text') }
show('etc', 'etc') { Etc.getpwuid(0).name }
show('io', 'io/console', 'io/nonblock', 'io/wait') { IO.pipe.last.nonblock? }
show('nokogiri', 'nokogiri') do
  tree = Nokogiri::XML('<a><b n="1"/><b n="2">x</b></a>')
  broken = begin
    Nokogiri::XML('<a>') { |config| config.strict }
  rescue Nokogiri::XML::SyntaxError => e
    e.class
  end
  [tree.xpath('sum(//@n)'), Nokogiri::HTML('<p>q<br>r').text, broken].join(' ')
end
show('ffi', 'ffi') do
  m = Module.new do
    extend FFI::Library
    ffi_lib FFI::Library::LIBC
    callback :order, [:pointer, :pointer], :int
    attach_function :qsort, [:pointer, :size_t, :size_t, :order], :void
    attach_function :strlen, [:string], :size_t
  end
  numbers = FFI::MemoryPointer.new(:int, 4).write_array_of_int([3, 1, 4, 2])
  m.qsort(numbers, 4, 4, proc { |a, b| a.read_int <=> b.read_int })
  [numbers.read_array_of_int(4), m.strlen('text')].inspect
end
show('msgpack', 'msgpack') { MessagePack.unpack({ 'a' => [1, 2] }.to_msgpack).to_s }
show('sqlite3', 'sqlite3') do
  base = SQLite3::Database.new(':memory:')
  base.execute('create table t (n, s)')
  base.execute('insert into t values (?, ?)', [1, 'one'])
  wrong = begin
    base.execute('select * from nowhere')
  rescue SQLite3::SQLException => e
    e.message
  end
  [base.execute('select * from t'), wrong].inspect
end
show('bcrypt', 'bcrypt') { BCrypt::Password.create('secret', cost: 4) == 'secret' }
show('nio4r', 'nio') { NIO::Selector.new.close.inspect + (NIO::ByteBuffer.new(8) << 'abc').position.to_s }
show('puma', 'puma', 'puma/puma_http11') do
  env = {}
  Puma::HttpParser.new.execute(env, "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n", 0)
  env.values_at('REQUEST_PATH', 'QUERY_STRING', 'HTTP_HOST').join(' ')
end
show('eventmachine', 'eventmachine') do
  order = []
  EventMachine.run do
    EventMachine.add_timer(0.001) { order << 1 }
    EventMachine.add_timer(0.01) { order << 2; EventMachine.stop }
  end
  order.inspect
end
show('oj', 'oj') { Oj.dump({ 'a' => [1, nil] }) }
show('ox', 'ox') { Ox.parse('<a><b/></a>').nodes.size }
show('hiredis', 'hiredis/reader') { Hiredis::Reader.new.tap { |r| r.feed("$4\r\ntext\r\n") }.gets }
show('protobuf', 'google/protobuf') { Google::Protobuf::Map.new(:string, :int32).tap { |m| m['a'] = 1 }.to_h }
show('cbor', 'cbor') { CBOR.decode([1, 'a'].to_cbor).inspect }
show('ed25519', 'ed25519') { Ed25519::SigningKey.new("\0" * 32).sign('text').unpack1('H16') }
show('redcarpet', 'redcarpet') { Redcarpet::Markdown.new(Redcarpet::Render::HTML).render('*a*').strip }
show('commonmarker', 'commonmarker') { CommonMarker.render_html('**a**').strip }
show('yajl', 'yajl') { Yajl::Encoder.encode([1, 'a']) }
show('levenshtein', 'levenshtein') { Levenshtein.distance('kitten', 'sitting') }
show('websocket', 'websocket/driver') { WebSocket::Driver.client(Struct.new(:url).new('ws://a/')).class }
show('concurrent', 'concurrent') { Concurrent::AtomicFixnum.new(1).increment }
show('charlock', 'charlock_holmes') { CharlockHolmes::EncodingDetector.detect("\xc3\xa4 text \xc3\xb6")[:encoding] }
show('rinku', 'rinku') { Rinku.auto_link('see http://a.b/') }
show('re2', 're2') { RE2::Regexp.new('(\w+)=(\w+)').match('k=v')[2] }
show('rbtree', 'rbtree') { RBTree['c', 1, 'a', 2].keys.inspect }
show('fast_blank', 'fast_blank') { '  '.blank? }
show('jaro', 'jaro_winkler') { JaroWinkler.distance('MARTHA', 'MARHTA').round(4) }
show('murmurhash3', 'murmurhash3') { MurmurHash3::V32.str_hash('text') }
show('narray', 'narray') { (NArray[1, 2, 3] * 2).sum }
show('unicode', 'unicode') { Unicode.upcase('äλ') }
show('libxml', 'libxml') { LibXML::XML::Document.string('<a><b/></a>').root.children.size }
show('rugged', 'rugged') { Rugged.libgit2_version.size }
show('bootsnap', 'bootsnap') { Bootsnap::VERSION.class }
show('debug_inspector', 'debug_inspector') { RubyVM::DebugInspector.open { |i| i.backtrace_locations.size > 0 } }
show('curses', 'curses') { Curses::VERSION.class }
show('stackprof', 'stackprof') { StackProf.running? }
show('fork') { Process.wait2(fork { require 'digest/sha2'; exit!(Digest::SHA512.hexdigest('').size % 100) })[1].exitstatus }
show('missing') do
  require '/nonexistent.so'
rescue LoadError => e
  e.message.include?('nonexistent')
end
show('handle', 'fiddle') do
  Fiddle.dlopen('/nonexistent.so')
rescue Fiddle::DLError => e
  e.message.include?('nonexistent')
end
