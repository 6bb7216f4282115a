<?php
# SPDX-License-Identifier: MIT
# Run by php.py: what PHP's extensions of Debian offer, and the most usual of them in use.
foreach (get_loaded_extensions() as $name) {
	$its = new ReflectionExtension($name);
	echo $name, ' ', $its->getVersion(), ' ', count($its->getFunctions()), ' functions ',
		count($its->getClassNames()), " classes\n";
}
echo json_encode(array_map('intdiv', [7, 9], [2, 2])), "\n";
echo bcadd('1.25', '2.5', 2), ' ', gmp_strval(gmp_fact(25)), "\n";
echo strlen(bzcompress(str_repeat('text', 500))), ' ', bin2hex(gzdeflate('text')), "\n";
echo mb_strtoupper('straße λ'), ' ', bin2hex(iconv('UTF-8', 'UTF-16LE', 'a')), "\n";
$image = imagecreatetruecolor(32, 32);
imagefilledellipse($image, 16, 16, 20, 20, imagecolorallocate($image, 200, 10, 10));
ob_start();
imagepng($image);
echo 'png ', md5(ob_get_clean()), "\n";
echo (new NumberFormatter('de_DE', NumberFormatter::DECIMAL))->format(1234567.5), ' ',
	(new Collator('de'))->compare('ä', 'z'), "\n";
$base = new PDO('sqlite::memory:');
$base->exec('create table t (n, s)');
$base->prepare('insert into t values (?, ?)')->execute([1, 'one']);
echo json_encode($base->query('select * from t')->fetchAll(PDO::FETCH_ASSOC)), "\n";
try {
	$base->query('select * from nowhere');
} catch (PDOException $error) {
	echo get_class($error), ' ', $error->getMessage(), "\n";
}
$other = new SQLite3(':memory:');
$other->createFunction('twice', fn($n) => 2 * $n);
echo $other->querySingle('select twice(21)'), "\n";
$tree = new DOMDocument();
$tree->loadXML('<a><b n="1"/><b n="2">x</b></a>');
echo (new DOMXPath($tree))->evaluate('sum(//@n)'), ' ',
	simplexml_import_dom($tree)->b[1], "\n";
$sheet = new DOMDocument();
$sheet->loadXML('<x:stylesheet version="1.0" xmlns:x="http://www.w3.org/1999/XSL/Transform">'
	. '<x:output method="text"/><x:template match="/"><x:value-of select="count(//b)"/>'
	. '</x:template></x:stylesheet>');
$processor = new XSLTProcessor();
$processor->importStylesheet($sheet);
echo $processor->transformToXML($tree), "\n";
echo (new tidy())->repairString('<p>a<b>b', ['show-body-only' => true]), "\n";
$file = tempnam(sys_get_temp_dir(), 'umod');
$zip = new ZipArchive();
$zip->open($file, ZipArchive::OVERWRITE);
$zip->addFromString('name', 'text');
$zip->close();
$zip->open($file);
echo $zip->getFromName('name'), "\n";
unlink($file);
echo bin2hex(igbinary_serialize([1])), ' ', bin2hex(msgpack_pack([1, 'a'])), ' ',
	yaml_emit(['a' => 1]), "\n";
$queue = new Ds\PriorityQueue();
$queue->push('low', 1);
$queue->push('high', 2);
echo $queue->pop(), ' ', ast\parse_code('<?php 1+2;', 85)->children[0]->kind, "\n";
$picture = new Imagick();
$picture->newImage(20, 10, new ImagickPixel('blue'));
$picture->scaleImage(10, 5);
echo $picture->getImageWidth(), ' ', $picture->getImagePixelColor(1, 1)->getColorAsString(), "\n";
echo curl_version()['version'], ' ', curl_escape(curl_init(), 'a b'), "\n";
echo ctype_alpha('abc'), ' ', hash('xxh3', 'a'), "\n";
$c = FFI::cdef('double cos(double);', 'libm.so.6');
echo round($c->cos(1.0), 6), "\n";
$child = pcntl_fork();
if ($child === 0) {
	exit((int) bcmul('3', '7'));
}
pcntl_waitpid($child, $status);
echo 'child ', pcntl_wexitstatus($status), "\n";
