# SPDX-License-Identifier: MIT
# Run by perl.py: uses XS modules of Perl's own and of Debian's packages.
use strict;
use warnings;
use POSIX qw(floor strftime);
use List::Util qw(reduce shuffle sum);
use Storable qw(freeze thaw);
use Digest::SHA qw(sha256_hex);
use Encode qw(decode encode);
use Compress::Zlib ();
use Socket qw(inet_aton inet_ntoa);
use Data::Dumper;
use Time::HiRes ();
use threads;
use threads::shared;
use DBI;
use JSON::XS ();
use XML::LibXML;
use XML::Parser;
use HTML::Parser;
use Text::CSV_XS;
use Net::SSLeay;
use List::MoreUtils::XS ();
use Clone qw(clone);
use DateTime;

$Data::Dumper::Sortkeys = $Data::Dumper::Indent = 1;
print floor(2.7), ' ', strftime('%Y-%j', gmtime 86400 * 400), "\n";
print sum(1 .. 10), ' ', (reduce { $a * $b } 1 .. 8), "\n";
print Dumper(thaw freeze { a => [1, { b => undef }], c => \'d' });
print sha256_hex('umod'), ' ', length(encode('UTF-16LE', decode('UTF-8', "\xce\xbb."))), "\n";
my $packed = Compress::Zlib::compress('text ' x 1000);
print length($packed), ' ', length(Compress::Zlib::uncompress($packed)), "\n";
print inet_ntoa(inet_aton('127.0.0.1')), "\n";

my $count : shared = 0;
$_->join for map { threads->create(sub { for (1 .. 500) { lock $count; $count++ } }) } 1 .. 4;
print "threads: $count\n";

my $base = DBI->connect('dbi:SQLite:dbname=:memory:', '', '', { RaiseError => 1 });
$base->do('create table t (n integer, s text)');
$base->do('insert into t values (?, ?)', undef, $_, "row $_") for 1 .. 5;
print join(',', map { "@$_" } @{ $base->selectall_arrayref('select n, s from t where n > 3') }),
	"\n";
eval { local $base->{PrintError} = 0; $base->do('select nothing from nowhere') };
print 'error: ', $@ =~ /no such table/ ? 'no such table' : "other: $@", "\n";

print JSON::XS->new->canonical->encode({ b => [1, 2.5, undef], a => "\x{3bb}" }) =~ tr/\x{3bb}/l/r, "\n";
eval { JSON::XS::decode_json('[1,') };
print 'error: ', $@ ? 'of JSON' : 'none', "\n";
my $tree = XML::LibXML->load_xml(string => '<a><b n="1"/><b n="2">x</b></a>');
print join(',', map { $_->value } $tree->findnodes('//@n')), ' ', $tree->findvalue('sum(//@n)'),
	"\n";
my @seen;
XML::Parser->new(Handlers => { Start => sub { push @seen, $_[1] } })->parse('<x><y/><z/></x>');
HTML::Parser->new(start_h => [sub { push @seen, $_[0] }, 'tagname'])->parse('<p>q<br>')->eof;
print "@seen\n";
my $csv = Text::CSV_XS->new({ binary => 1 });
$csv->parse('1,"two, too",""');
print join('|', $csv->fields), "\n";
Net::SSLeay::load_error_strings();
Net::SSLeay::SSLeay_add_ssl_algorithms();
my $context = Net::SSLeay::CTX_new() or die;
print Net::SSLeay::SSLeay_version(0), "\n";
Net::SSLeay::CTX_free($context);
print join(',', List::MoreUtils::XS::uniq(3, 1, 3, 2, 1)), "\n";
print Dumper(clone { deep => [[1], [2]] });
print DateTime->new(year => 2024, month => 2, day => 28)->add(days => 2)->ymd, "\n";
defined(my $child = fork) or die;
if (!$child) {
	require Math::BigInt::FastCalc;
	exit(Math::BigInt::FastCalc->_str(Math::BigInt::FastCalc->_new('7')));
}
waitpid $child, 0;
print 'child: ', $? >> 8, "\n";
