-- SPDX-License-Identifier: MIT
-- Run by lua.py: C modules that Debian has for this Lua, each required and used.
local used = 0
local function use(name, work)
	local ok, module = pcall(require, name)
	if not ok then
		print(name, 'is not for this Lua')
		return
	end
	local worked = {pcall(work, module)}
	used = used + (worked[1] and 1 or 0)
	print(name, (unpack or table.unpack)(worked, 1, 4))
end
print(_VERSION)
use('cjson', function(m) return m.encode({1, 2, {a = 'b'}}), m.decode('{"x":[1,null]}').x[1],
	(pcall(m.decode, '[1')) end)
use('lpeg', function(m)
	local number = m.R'09'^1 / tonumber
	return m.match(m.Ct(number * (m.P',' * number)^0), '1,22,333')[3]
end)
use('lfs', function(m) return m.attributes('/etc/passwd', 'mode'), m.currentdir() ~= nil end)
use('socket', function(m)
	local server = assert(m.bind('127.0.0.1', 0))
	local _, port = server:getsockname()
	local client = assert(m.connect('127.0.0.1', port))
	local peer = server:accept()
	client:send('hello\n')
	local line = peer:receive()
	client:close() peer:close() server:close()
	return line
end)
use('ssl', function(m) return m._VERSION, m.newcontext({mode = 'client', protocol = 'any'}) ~= nil end)
use('luasql.sqlite3', function(m)
	local environment = m.sqlite3()
	local base = environment:connect(':memory:')
	base:execute('create table t (n, s)')
	base:execute("insert into t values (1, 'one')")
	local rows = base:execute('select * from t')
	local row = rows:fetch({}, 'a')
	rows:close()
	base:close() environment:close()
	return row.n, row.s
end)
use('posix', function(m) return m.basename('/a/b'), m.getpid() == m.getpid('pid') end)
use('zlib', function(m)
	local packed = m.deflate()(('text'):rep(500), 'finish')
	return #packed, #m.inflate()(packed)
end)
use('lxp', function(m)
	local seen = {}
	local p = m.new({StartElement = function(_, name) seen[#seen + 1] = name end})
	p:parse('<a><b/><c/></a>') p:parse() p:close()
	return table.concat(seen, ',')
end)
use('md5', function(m) return m.sumhexa('text') end)
use('openssl.digest', function(m)
	return (m.new('sha256'):final('text'):gsub('.', function(c) return ('%02x'):format(c:byte()) end))
end)
use('openssl.rand', function(m) return #m.bytes(16) end)
use('lyaml', function(m) return m.load('a: [1, 2]').a[2], (m.dump({{1}}):gsub('\n', '|')) end)
use('rex_pcre2', function(m) return m.match('key=value', '(\\w+)=(\\w+)') end)
use('rex_posix', function(m) return m.match('key=value', '([a-z]+)=([a-z]+)') end)
use('term.core', function(m) return m.isatty(io.stdin) end)
use('luv', function(m)
	local fired = 0
	local timer = m.new_timer()
	timer:start(1, 1, function() fired = fired + 1 if fired == 3 then timer:close() end end)
	m.run()
	return fired
end)
use('mpack', function(m) return m.unpack(m.pack({1, 'a'}))[2] end)
use('system.core', function(m) return type(m.gettime()) end)
use('cqueues', function(m)
	local loop, order = m.new(), {}
	for i = 1, 3 do loop:wrap(function() m.sleep(i / 20) order[#order + 1] = i end) end
	assert(loop:loop())
	return table.concat(order, ',')
end)
use('zip', function(m) return type(m.open) end)
use('iconv', function(m) return m.new('UTF-16LE', 'UTF-8'):iconv('ab') == 'a\0b\0' end)
-- The words of the two loaders differ; what they must name does not.
local f, why, where = package.loadlib('/nonexistent.so', 'f')
print(f, why:find('/nonexistent.so', 1, true) ~= nil, where)
f, why, where = package.loadlib('libz.so.1', 'no_such_function')
print(package.loadlib('libz.so.1', '*'), f, why:find('no_such_function', 1, true) ~= nil, where)
print('used', used)
