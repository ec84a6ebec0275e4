"""Undeclared Windows-1252: Western names are read, names in other encodings are refused."""

import pytest

from gateway.sheets import table, western
from kit.errors import Failure, Kind

GERMAN = "Jürgen Müßig,Günther Groß,Böhm – Söhne,ANDRÉ MÜLLER,Straße,„zitiert“,12 €,§ 5"
FRENCH = (
    "François Lévêque,Jérôme Côté,Hélène Brière,Thérèse,Agnès,Benoît,Joël,Loïc,Anaïs,Cœur,d’Angély"
)
SPANISH = "José Peña,María García López,Íñigo Ibáñez,Muñoz Núñez,Jesús,Raúl,Álvaro,Julián,Canadá,Sofía,Nº 5"
PORTUGUESE = "João Simões,Conceição,Guimarães,Antônio"
NORDIC = "Åström,Håkan Åberg,Hämäläinen,Määttä,Søren Bjørn,Jørgen Møller,Grønlund"
# Their letters have the same bytes in Windows-1252.
SAME = "Kovács László,Németh,Özgür Çelik,Tomáš Novák,Šárka"
OTHERS = {
    "cp1250": "Jan Černý,Petr Dvořák,Kučera,Hrdlička,Vlček,Čech,Zdeněk,Jiří,Ondřej,Martinů,Křen,Laďka,Bartoň,"
    "Gergő Kovács,Szűcs,Tőkés,Łukasz Żółkiewski,Zięba,Jędrzej,Kaczyński,Woźniak,Dąbrowski,"
    "Petrović,Kovač,Grčki,Božić,Bălan,Ştefan,Kováč,Vŕba",
    "cp1254": "Ayşe Yılmaz,Şahin,Ağaoğlu,Kılıç",
    "cp1257": "Jānis Bērziņš,Jānis,Kārlis,Līga,Bērza,Zaļkalne,Miķelis,Eglė,Rūta,Šarūnas,Žemaitis,"
    "Danų,Februāris",
    "cp1255": "יוסי כהן,דן",
    "cp1251": "Иван Петров,Илья,Ян",
    "cp1253": "Νίκος",
    "cp1256": "محمد",
    "cp874": "สมชาย",
    "gb18030": "李伟,王小明,李四,Müller",
    "big5": "王大明",
    "shift_jis": "山田太郎,佐藤花子,田中,本田,木村,鈴木,ﾔﾏﾀﾞ",
    "euc_jp": "山田",
    "euc_kr": "김철수",
    "mac_roman": "Jürgen Müller,André,Björn,Schröder,Maurício,Gabón,José Pérez,Guaraní,Díaz",
    "cp850": "Weiß,Björn,Über,André,Panamá,Sudán,élan,Ángel",
    "cp852": "Németi Árpád,Afghánistán",
}


def sheet(name: str, encoding: str) -> bytes:
    return f"name;email\r\n{name};a@x.example\r\n".encode(encoding)


def read(data: bytes) -> table.Table:
    return table.read(data, frozenset({"name", "email"}).__contains__)


@pytest.mark.parametrize(
    "name", ",".join((GERMAN, FRENCH, SPANISH, PORTUGUESE, NORDIC, SAME)).split(",")
)
def test_a_western_name_is_read(name: str) -> None:
    found = read(sheet(name, "cp1252"))
    assert (found.rows[0].cells[0], found.encoding, found.guessed) == (name, "Windows-1252", True)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [(name, key) for key, names in OTHERS.items() for name in names.split(",")],
)
def test_a_name_in_another_encoding_is_refused(name: str, encoding: str) -> None:
    with pytest.raises(Failure) as raised:
        read(sheet(name, encoding))
    assert (raised.value.kind, raised.value.reason) == (Kind.INVALID, "SHEET_UNREADABLE")
    assert "UTF-8" in raised.value.message


def test_the_doubtful_cell_is_quoted() -> None:
    data = "name;email\r\nJürgen;j@x.example\r\nJan Černý;c@x.example\r\n".encode("cp1250")
    with pytest.raises(Failure) as raised:
        read(data)
    assert raised.value.message.startswith(
        'Line 3 is not UTF-8, and may be misread as Windows-1252: "Jan Èerný". Save the sheet as CSV'
    )


@pytest.mark.parametrize("word", ["aš", "aïe", "ibè", "ár"])
def test_a_long_word_takes_linear_time(word: str) -> None:
    assert western.first_doubtful(word * 10_000 + "ø") is not None


def test_one_word_rules_another_encoding_out() -> None:
    """Inês alone may be a Polish word; Lévêque can't be one."""
    data = "name;email\r\nInês;a@x.example\r\n"
    with pytest.raises(Failure):
        read(data.encode("cp1252"))
    assert len(read((data + "Lévêque;b@x.example\r\n").encode("cp1252")).rows) == 2
