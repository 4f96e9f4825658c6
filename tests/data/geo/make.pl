#!/usr/bin/perl
# Makes country.mmdb and asn.mmdb beside this file: loopback and documentation addresses with a country and an autonomous
# system each, so that tests need no foreign address. Needs Debian's libmaxmind-db-writer-perl; run only to change them.
use strict;
use warnings;
use File::Basename;
use MaxMind::DB::Writer::Tree;

my %types = (country => 'map', iso_code => 'utf8_string', autonomous_system_number => 'uint32',
	autonomous_system_organization => 'utf8_string', names => 'map', en => 'utf8_string', continent => 'map', code => 'utf8_string');

my %country = (
	'127.0.10.0/24' => 'DE', '127.0.20.0/24' => 'CU', '127.0.30.0/24' => 'US', '127.0.40.0/24' => 'NO',
	'192.0.2.0/24' => 'DE', '198.51.100.0/24' => 'US', '203.0.113.0/24' => 'CU', '203.0.113.64/26' => 'FR',
	'2001:db8:1::/48' => 'FR', '2001:db8:2::/48' => 'CU');
my %asn = (
	'127.0.10.0/24' => 64496, '127.0.20.0/24' => 64511, '127.0.30.0/24' => 64500,
	'192.0.2.0/24' => 64496, '198.51.100.0/24' => 64500, '203.0.113.0/24' => 4200000001,
	'2001:db8:1::/48' => 64497, '2001:db8:2::/48' => 64511);

sub make {
	my ($name, $type, $rows, $entry) = @_;
	my $tree = MaxMind::DB::Writer::Tree->new(ip_version => 6, record_size => 24, database_type => $type,
		languages => ['en'], description => {en => "Sallyport's tests"}, remove_reserved_networks => 0,
		merge_strategy => 'toplevel', map_key_type_callback => sub { $types{$_[0]} });
	# A narrower prefix overrides a wider one: wide ones first.
	my $bits = sub { $_[0] =~ m{/(\d+)$}; $1 };
	$tree->insert_network($_, $entry->($rows->{$_})) for sort { $bits->($a) <=> $bits->($b) || $a cmp $b } keys %$rows;
	open my $out, '>:raw', dirname($0) . "/$name.mmdb" or die $!;
	$tree->write_tree($out);
	close $out or die $!;
}

make('country', 'Test-Country', \%country, sub { {continent => {code => 'EU'}, country => {iso_code => $_[0], names => {en => "Land of $_[0]"}}} });
make('asn', 'Test-ASN', \%asn, sub { {autonomous_system_number => $_[0], autonomous_system_organization => "System $_[0]"} });
