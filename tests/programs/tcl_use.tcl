# SPDX-License-Identifier: MIT
# Run by tcl.py: what Tcl's load does with the C extensions of Debian, each used.
proc show {what script} {
	puts "$what: [string range [uplevel 1 $script] 0 200]"
}
show patch {info patchlevel}
show sqlite {
	package require sqlite3
	sqlite3 base :memory:
	base function twice {apply {n {expr {2 * $n}}}}
	base eval {create table t (n, s); insert into t values (1, 'one'), (2, 'two')}
	set rows [base eval {select n, s, twice(n) from t order by n desc}]
	catch {base eval {select * from nowhere}} error
	base close
	list $rows $error
}
show itcl {
	package require itcl
	itcl::class Counter {
		private variable n 0
		method up {} {incr n}
		destructor {puts "counter goes at $n"}
	}
	Counter c
	c up
	set n [c up]
	itcl::delete object c
	set n
}
show tdom {
	package require tdom
	set tree [dom parse {<a><b n="1">x</b><b n="2">y</b></a>}]
	set root [$tree documentElement]
	set out [list [$root selectNodes {string(//b[@n=2])}] [$root asXML -indent none]]
	$tree delete
	set out
}
show tls {
	package require tls
	list [package present tls] [llength [tls::ciphers tls1.2]]
}
show thread {
	package require Thread
	tsv::set all n 0
	set ids {}
	foreach i {1 2 3 4} {
		lappend ids [thread::create -joinable {
			package require sqlite3
			package require tdom
			for {set i 0} {$i < 100} {incr i} {tsv::incr all n}
			sqlite3 own :memory:
			own close
		}]
	}
	foreach id $ids {thread::join $id}
	tsv::get all n
}
show tclx {
	package require Tclx
	list [lassign {1 2 3} a b] $a [intersect {a b c} {b c d}] [translit a-z A-Z text]
}
show trf {
	package require Trf
	list [hex -mode encode [md5 text]] [base64 -mode encode -- text]
}
show memchan {
	package require Memchan
	set channel [memchan]
	puts -nonewline $channel "kept in memory"
	seek $channel 0
	set text [read $channel]
	close $channel
	set text
}
show udp {
	package require udp
	set socket [udp_open]
	fconfigure $socket -buffering none
	close $socket
	package present udp
}
show yajl {
	package require yajltcl
	set json [yajl create #auto -beautify 0]
	$json map_open string a number 1 map_close
	set text [$json get]
	$json delete
	set text
}
show curl {
	package require TclCurl
	curl::escape {a b/c}
}
show expect {
	package require Expect
	log_user 0
	spawn cat
	send "echo\r"
	expect -timeout 5 "echo" {set got seen} timeout {set got timeout}
	close
	wait
	set got
}
show critcl {
	package require tcllibc
	package require sha256
	package require struct::graph
	list [sha2::sha256 text] [lsort [info commands ::sha2::*c]]
}
show db {
	load /usr/lib/x86_64-linux-gnu/libdb_tcl-5.3.so Db_tcl
	berkdb version
}
show vfs {
	package require vfs
	llength [vfs::filesystem info]
}
show again {
	set before [llength [info loaded]]
	set slave [interp create]
	interp eval $slave {package require sqlite3; package require tdom}
	interp delete $slave
	expr {[llength [info loaded]] - $before}
}
show missing {
	catch {load /nonexistent/libnothing.so} error
	string match "*nonexistent/libnothing.so*" $error
}
show unload {
	# Tcl's own extension to unload does not exist in Debian; a plain one says why not.
	catch {unload {} sqlite3} error
	set error
}
