"""Names and places of generated people: common given and family names in many languages, and cities."""

from typing import NamedTuple

Name = tuple[str, str]


class Place(NamedTuple):
    """A city, with the start of its postal codes and the number of random digits that follow."""

    city: str
    state: str | None
    zip_start: str
    zip_digits: int


class Region(NamedTuple):
    """The names, cities and formats of a region. Names are pairs: as written, and as in an email address."""

    weight: int
    country: str
    time_zone: str
    utc_offset: int
    dial: str
    street: str
    given: tuple[Name, ...]
    family: tuple[Name, ...]
    places: tuple[Place, ...]


def _names(text: str) -> tuple[Name, ...]:
    pairs = (word.partition("=") for word in text.split())
    return tuple((name, (plain or name).lower()) for name, _, plain in pairs)


REGIONS = (
    Region(
        weight=30,
        country="United States",
        time_zone="America/New_York",
        utc_offset=-240,
        dial="+1 212-555-01",
        street="{} Maple Street",
        given=_names("Olivia Noah Emma Liam Ava Ethan Mia Lucas Grace Henry Chloé=chloe Zoë=zoe"),
        family=_names("Smith Johnson Brown Davis Miller O'Brien=obrien Wilson Moore Taylor Núñez=nunez"),
        places=(
            Place("Boston", "MA", "021", 2),
            Place("Newark", "NJ", "071", 2),
            Place("Holtsville", "NY", "0050", 1),
            Place("Austin", "TX", "787", 2),
        ),
    ),
    Region(
        weight=9,
        country="United Kingdom",
        time_zone="Europe/London",
        utc_offset=60,
        dial="+44 20 7946 0",
        street="{} Mill Lane",
        given=_names("Amelia Oscar Isla George Freya Harry Siân=sian Rhys"),
        family=_names("Jones Williams Evans Hughes Patel Clarke Murphy Campbell"),
        places=(Place("Leeds", None, "LS1 4", 0), Place("Cardiff", "Wales", "CF10 1", 0)),
    ),
    Region(
        weight=9,
        country="Germany",
        time_zone="Europe/Berlin",
        utc_offset=120,
        dial="+49 30 23125 ",
        street="Lindenstraße {}",
        given=_names("Jürgen=juergen Anna Björn=bjoern Lena Günther=guenther Käthe=kaethe Max Sophie"),
        family=_names("Müller=mueller Schmidt Weiß=weiss Fischer Schäfer=schaefer Köhler=koehler Braun"),
        places=(Place("Dresden", "Sachsen", "010", 2), Place("Köln", "NRW", "506", 2)),
    ),
    Region(
        weight=8,
        country="France",
        time_zone="Europe/Paris",
        utc_offset=120,
        dial="+33 1 99 00 0",
        street="{}, rue de l'Église",
        given=_names("Élodie=elodie Hélène=helene François=francois Zoé=zoe Loïc=loic Anaïs=anais Jean Luc"),
        family=_names("Lefèvre=lefevre Dupont Garçon=garcon Noël=noel Moreau Bœuf=boeuf Martin"),
        places=(Place("Nice", None, "060", 2), Place("Bourg-en-Bresse", "Ain", "010", 2)),
    ),
    Region(
        weight=8,
        country="Spain",
        time_zone="Europe/Madrid",
        utc_offset=120,
        dial="+34 900 55 0",
        street="Calle del Olmo {}",
        given=_names("Íñigo=inigo María=maria José=jose Lucía=lucia Andrés=andres Begoña=begona Raúl=raul"),
        family=_names("García=garcia Muñoz=munoz Peña=pena López=lopez Ibáñez=ibanez Sáez=saez"),
        places=(Place("Barcelona", "Cataluña", "080", 2), Place("Álava", "Euskadi", "010", 2)),
    ),
    Region(
        weight=5,
        country="Poland",
        time_zone="Europe/Warsaw",
        utc_offset=120,
        dial="+48 22 555 0",
        street="ul. Źródlana {}",
        given=_names("Łukasz=lukasz Zofia Małgorzata=malgorzata Paweł=pawel Żaneta=zaneta Jan"),
        family=_names("Wójcik=wojcik Kamiński=kaminski Dąbrowski=dabrowski Ślusarz=slusarz Zając=zajac"),
        places=(Place("Warszawa", None, "00-0", 2), Place("Łódź", None, "90-0", 2)),
    ),
    Region(
        weight=4,
        country="Türkiye",
        time_zone="Europe/Istanbul",
        utc_offset=180,
        dial="+90 212 555 0",
        street="Çınar Sokak No: {}",
        given=_names("İpek=ipek Ayşe=ayse Çağla=cagla Mehmet Işıl=isil Gökhan=gokhan"),
        family=_names("Yılmaz=yilmaz Şahin=sahin Öztürk=ozturk Doğan=dogan Kaya"),
        places=(Place("İzmir", None, "350", 2), Place("Adana", None, "010", 2)),
    ),
    Region(
        weight=4,
        country="Việt Nam",
        time_zone="Asia/Ho_Chi_Minh",
        utc_offset=420,
        dial="+84 24 5550 0",
        street="{} Phố Hàng Bông",
        given=_names("Hương=huong Tuấn=tuan Thảo=thao Dũng=dung Ánh=anh"),
        family=_names("Nguyễn=nguyen Trần=tran Lê=le Phạm=pham Đặng=dang"),
        places=(Place("Hà Nội", None, "100", 3), Place("Đà Nẵng", None, "550", 3)),
    ),
    Region(
        weight=5,
        country="Україна",
        time_zone="Europe/Kyiv",
        utc_offset=180,
        dial="+380 44 555 0",
        street="вул. Липова, {}",
        given=_names("Олена=olena Андрій=andrii Ірина=iryna Тарас=taras Ганна=hanna Сергій=serhii"),
        family=_names("Шевчук=shevchuk Коваленко=kovalenko Бойко=boiko Мельник=melnyk Лисенко=lysenko"),
        places=(Place("Київ", None, "010", 2), Place("Львів", None, "790", 2)),
    ),
    Region(
        weight=3,
        country="Ελλάδα",
        time_zone="Europe/Athens",
        utc_offset=180,
        dial="+30 21 0555 0",
        street="Οδός Ελιάς {}",
        given=_names("Γιώργος=giorgos Ελένη=eleni Νίκος=nikos Σοφία=sofia Δημήτρης=dimitris"),
        family=_names("Παππάς=pappas Βλάχος=vlachos Οικονόμου=oikonomou Ράπτης=raptis"),
        places=(Place("Αθήνα", "Αττική", "104 ", 2), Place("Πάτρα", None, "262 ", 2)),
    ),
    Region(
        weight=3,
        country="مصر",
        time_zone="Africa/Cairo",
        utc_offset=180,
        dial="+20 2 5555 0",
        street="شارع النخيل {}",
        given=_names("محمد=mohamed فاطمة=fatima عمر=omar ليلى=layla يوسف=yousef مريم=mariam"),
        family=_names("حسن=hassan إبراهيم=ibrahim النجار=elnaggar سالم=salem"),
        places=(Place("القاهرة", None, "117", 2), Place("الإسكندرية", None, "215", 2)),
    ),
    Region(
        weight=2,
        country="ישראל",
        time_zone="Asia/Jerusalem",
        utc_offset=180,
        dial="+972 3 555 0",
        street="רחוב הגפן {}",
        given=_names("נועה=noa איתי=itay יעל=yael דניאל=daniel תמר=tamar"),
        family=_names("כהן=cohen לוי=levi מזרחי=mizrahi פרץ=peretz"),
        places=(Place("תל אביב", None, "610", 4), Place("חיפה", None, "310", 4)),
    ),
    Region(
        weight=5,
        country="中国",
        time_zone="Asia/Shanghai",
        utc_offset=480,
        dial="+86 10 5555 0",
        street="柳树街{}号",
        given=_names("伟=wei 芳=fang 秀英=xiuying 磊=lei 静=jing 子轩=zixuan"),
        family=_names("王=wang 李=li 张=zhang 刘=liu 陈=chen 欧阳=ouyang"),
        places=(Place("呼和浩特", "内蒙古", "0100", 2), Place("上海", None, "2000", 2)),
    ),
    Region(
        weight=5,
        country="日本",
        time_zone="Asia/Tokyo",
        utc_offset=540,
        dial="+81 3-5550-0",
        street="桜通り{}番地",
        given=_names("陽菜=hina 翔太=shota さくら=sakura 健一=kenichi ユイ=yui 蓮=ren"),
        family=_names("佐藤=sato 鈴木=suzuki 高橋=takahashi 渡邉=watanabe 髙田=takada"),
        places=(Place("札幌市", "北海道", "060-00", 2), Place("盛岡市", "岩手県", "020-00", 2)),
    ),
    Region(
        weight=3,
        country="대한민국",
        time_zone="Asia/Seoul",
        utc_offset=540,
        dial="+82 2-555-0",
        street="은행나무길 {}",
        given=_names("민준=minjun 서연=seoyeon 지훈=jihun 하은=haeun 도윤=doyun"),
        family=_names("김=kim 이=lee 박=park 최=choi 정=jung"),
        places=(Place("서울", None, "045", 2), Place("부산", None, "485", 2)),
    ),
    Region(
        weight=5,
        country="भारत",
        time_zone="Asia/Kolkata",
        utc_offset=330,
        dial="+91 11 5555 0",
        street="नीम मार्ग {}",
        given=_names("आरव=aarav प्रिया=priya रोहन=rohan अनन्या=ananya विक्रम=vikram"),
        family=_names("शर्मा=sharma वर्मा=verma सिंह=singh गुप्ता=gupta"),
        places=(Place("दिल्ली", None, "1100", 2), Place("जयपुर", "राजस्थान", "3020", 2)),
    ),
    Region(
        weight=2,
        country="ประเทศไทย",
        time_zone="Asia/Bangkok",
        utc_offset=420,
        dial="+66 2 555 0",
        street="{} ถนนต้นโพธิ์",
        given=_names("สมชาย=somchai มาลี=malee ณัฐ=nat พิมพ์=pim"),
        family=_names("ใจดี=jaidee ทองดี=thongdee แสงจันทร์=saengchan"),
        places=(Place("กรุงเทพฯ", None, "101", 2), Place("เชียงใหม่", None, "500", 2)),
    ),
)
